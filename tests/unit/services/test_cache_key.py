"""Queries share a cache key exactly if they are equal."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models import PriceQuery, PriceRequest
from api.services.prices import cache_key
from api.settings import Settings
from api.settings.environments import AmadeusEnvironment

TODAY = dt.datetime.now(dt.UTC).date()
BASE: dict[str, Any] = {"origin": "JFK", "destination": "LAX", "date": TODAY + dt.timedelta(30)}

# Few values of each, so that two queries are often equal or differ in one field only. The test
# makes the queries: hypothesis takes an interruption of this strategy, as by the time limit of a
# test, for a strategy that is not deterministic.
queries = st.fixed_dictionaries(
    {
        "origin": st.sampled_from(["JFK", "jfk", "LON"]),
        "destination": st.sampled_from(["LAX", "lax", "PAR"]),
        "date": st.integers(10, 12).map(lambda days: TODAY + dt.timedelta(days)),
    },
    optional={
        "return_date": st.integers(12, 13).map(lambda days: TODAY + dt.timedelta(days)),
        "adults": st.integers(1, 3),
        "children": st.integers(0, 2),
        "infants": st.integers(0, 1),
        "currency": st.sampled_from(["EUR", "eur", "USD"]),
        "cabin": st.sampled_from(["ECONOMY", "first"]),
        "nonstop": st.booleans(),
    },
)


@given(queries, queries)
def test_queries_share_a_key_exactly_if_they_are_equal(
    given_one: dict[str, Any], given_two: dict[str, Any]
) -> None:
    one, two = PriceQuery(**given_one), PriceQuery(**given_two)
    assert (cache_key("test", one) == cache_key("test", two)) is (one == two)


def test_lower_and_upper_case_share_a_key() -> None:
    lower = {"origin": "jfk", "destination": "lax", "currency": "eur", "cabin": "first"}
    upper = {name: value.upper() for name, value in lower.items()}

    assert len({cache_key("test", PriceQuery(**BASE | codes)) for codes in (lower, upper)}) == 1


@pytest.mark.parametrize(
    "difference",
    [
        {"origin": "EWR"},
        {"destination": "SFO"},
        {"date": TODAY + dt.timedelta(31)},
        {"return_date": TODAY + dt.timedelta(31)},
        {"adults": 2},
        {"children": 1},
        {"infants": 1},
        {"currency": "EUR"},
        {"cabin": "FIRST"},
        {"nonstop": True},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_different_option_values_have_different_keys(difference: dict[str, Any]) -> None:
    plain, other = PriceQuery(**BASE), PriceQuery(**BASE | difference)

    assert cache_key("test", plain) != cache_key("test", other)


def test_key_tests_cover_every_field_of_a_query() -> None:
    looked_at = {
        "origin", "destination", "date", "return_date", "adults", "children", "infants",
        "currency", "cabin", "nonstop",
    }  # fmt: skip

    assert set(PriceQuery.model_fields) == looked_at


def test_nocache_does_not_change_the_key() -> None:
    plain, forced = PriceRequest(**BASE), PriceRequest(**BASE | {"nocache": True})

    assert cache_key("test", plain) == cache_key("test", forced)


def test_environments_have_different_keys() -> None:
    someone: dict[str, Any] = {
        "amadeus_client_id": "id",
        "amadeus_client_secret": "secret",
        "duffel_access_token": "duffel_live_1",
        "ignav_api_key": "key",
    }
    providers = [
        Settings(amadeus_environment=environment, **someone).provider
        for environment in AmadeusEnvironment
        if environment is not AmadeusEnvironment.CUSTOM
    ] + [
        Settings(
            amadeus_environment=AmadeusEnvironment.CUSTOM, amadeus_base_url=url, **someone
        ).provider
        for url in ("http://localhost:9090", "http://localhost:9091", "https://localhost:9090")
    ]

    assert len({cache_key(provider, PriceQuery(**BASE)) for provider in providers}) == 10
