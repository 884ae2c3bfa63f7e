"""What a search says about its request: what was asked for, and what was not read."""

from typing import Any

import orjson
import pytest

from protocol.errors import InvalidSearch
from protocol.reference.airports import Airports
from protocol.request.get_query import search_from_query
from protocol.request.post_search import search_from_body
from protocol.request.search import Search
from tests.support.clients.sandbox_client import AHEAD, NOON, body

QUERY = f"originLocationCode=JFK&destinationLocationCode=LAX&departureDate={AHEAD}&adults=1&max=5"
RANGE = "/originDestinations/0/departureDateTimeRange"
FILTERS = "/searchCriteria/flightFilters"


def queried(more: str = "") -> Search:
    return search_from_query(QUERY + more, NOON, Airports())


def posted(**changes: Any) -> Search:
    return search_from_body(orjson.dumps(body() | changes), NOON, Airports())


def filtered(**filters: object) -> Search:
    return posted(searchCriteria={"flightFilters": filters})


def leaving(**when: str) -> Search:
    wanted = body()["originDestinations"]
    wanted[0]["departureDateTimeRange"] |= when
    return posted(originDestinations=wanted)


@pytest.mark.parametrize("search", [queried(), posted()], ids=["GET", "POST"])
def test_search_names_no_cabin_and_no_currency_if_none_is_asked_for(search: Search) -> None:
    assert search.currency is None
    assert [direction.cabin for direction in search.directions] == [None]


@pytest.mark.parametrize(
    "search",
    [
        queried("&travelClass=ECONOMY&currencyCode=EUR"),
        posted(
            currencyCode="EUR",
            searchCriteria={"flightFilters": {"cabinRestrictions": [{"cabin": "ECONOMY"}]}},
        ),
    ],
    ids=["GET", "POST"],
)
def test_search_names_the_usual_cabin_and_currency_if_asked_for(search: Search) -> None:
    assert search.currency is not None
    assert search.currency.code == "EUR"
    assert [direction.cabin for direction in search.directions] == ["ECONOMY"]


@pytest.mark.parametrize(
    ("search", "ignored"),
    [
        (queried("&viewBy=DATE"), "viewBy"),
        (posted(surprise=1), "/surprise"),
        (posted(searchCriteria={"addOneWayOffers": True}), "/searchCriteria/addOneWayOffers"),
        (
            posted(searchCriteria={"additionalInformation": {"chargeableCheckedBags": True}}),
            "/searchCriteria/additionalInformation/chargeableCheckedBags",
        ),
        (
            posted(travelers=[{"id": "1", "travelerType": "ADULT", "name": "Jo"}]),
            "/travelers/0/name",
        ),
        (
            posted(searchCriteria={"pricingOptions": {"fareType": ["NEGOTIATED"]}}),
            "/searchCriteria/pricingOptions/fareType",
        ),
        (leaving(timeWindow="3H"), f"{RANGE}/timeWindow"),
        (
            filtered(cabinRestrictions=[{"cabin": "FIRST", "coverage": "ALL_SEGMENTS"}]),
            f"{FILTERS}/cabinRestrictions/0/coverage",
        ),
        (
            filtered(connectionRestriction={"nonStopPreferred": True}),
            f"{FILTERS}/connectionRestriction/nonStopPreferred",
        ),
        (
            filtered(connectionRestriction={"airportChangeAllowed": False}),
            f"{FILTERS}/connectionRestriction/airportChangeAllowed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_field_that_is_not_read_is_reported(search: Search, ignored: str) -> None:
    assert search.ignored == (ignored,)


@pytest.mark.parametrize(
    "search",
    [
        queried("&nonStop=true"),
        posted(searchCriteria={"addOneWayOffers": False, "oneFlightOfferPerDay": True}),
        posted(searchCriteria={"additionalInformation": {"brandedFares": True}}),
        posted(searchCriteria={"pricingOptions": {"fareType": ["PUBLISHED"]}}),
        posted(travelers=[{"id": "1", "travelerType": "ADULT", "fareOptions": ["STANDARD"]}]),
        leaving(time="12:00"),
        leaving(time="12:00", timeWindow="3H"),
        filtered(cabinRestrictions=[{"cabin": "FIRST", "coverage": "MOST_SEGMENTS"}]),
    ],
)
def test_field_that_has_its_effect_or_asks_for_nothing_is_not_reported(search: Search) -> None:
    assert search.ignored == ()


def test_at_most_ten_fields_that_are_not_read_are_named() -> None:
    assert len(posted(**{f"x{number}": 1 for number in range(1000)}).ignored) == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"travelers": [{}] * 18},
        {"travelers": [{"id": "1", "travelerType": "HELD_INFANT"}] * 18},
        {"sources": ["NDC"] * 1000},
    ],
    ids=["format", "meaning", "list without a limit"],
)
def test_at_most_ten_errors_are_reported(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSearch) as refused:
        posted(**changes)
    assert 1 <= len(refused.value.errors) <= 10
    assert len(str(refused.value)) < 2000
