"""Validation of queries, and the text of each error."""

import datetime as dt
from itertools import product
from string import ascii_lowercase
from typing import Any

import pytest
import time_machine
from falcon.testing import TestClient

from api.app import create_app
from api.errors import InvalidRequest
from api.models import PriceRequest
from api.models import parameter_errors as errors_of_parameters
from api.resources import parameters as url
from api.resources.price import EXAMPLE
from api.settings import Settings

# The request line limit of gunicorn.conf.py allows fewer.
MAX_QUERY_BYTES = 2048
KNOWN = list(PriceRequest.model_fields)
MANY_NAMES = {
    "two letters": ["".join(pair) for pair in product(ascii_lowercase, repeat=2)],
    "look-alikes": [f"dat{first}{second}" for first, second in product(ascii_lowercase, repeat=2)],
    "one long name": ["x" * 1800],
    "control characters": ["%01" * 100 + str(number) for number in range(20)],
    "surrogate pairs": ["%F0%9F%98%80" * 20 + str(number) for number in range(20)],
}

OLDEST = 4200
GOOD = {"origin": "JFK", "destination": "LAX", "date": "2026-12-01"}


@pytest.fixture(autouse=True)
def _some_noon() -> Any:
    with time_machine.travel(dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC), tick=False):
        yield


def parse(parameters: dict[str, Any]) -> PriceRequest:
    return url.parse(PriceRequest, parameters, EXAMPLE, oldest=OLDEST)


def asked(**parameters: str) -> PriceRequest:
    return parse(GOOD | parameters)


def parameter_errors(parameters: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse(parameters)
    return {item.parameter: item.detail for item in caught.value.parameter_errors}


def test_origin_destination_and_date_are_sufficient() -> None:
    query = parse(GOOD)

    assert (query.origin, query.destination, query.date) == ("JFK", "LAX", dt.date(2026, 12, 1))
    assert (query.adults, query.children, query.infants) == (1, 0, 0)
    assert (query.return_date, query.currency, query.cabin) == (None, None, None)
    assert (query.nonstop, query.nocache) == (False, False)


def test_codes_and_cabins_are_accepted_in_either_case() -> None:
    query = asked(origin="jfk", destination="lAx", currency="usd", cabin="premium_economy")

    assert (query.origin, query.destination) == ("JFK", "LAX")
    assert (query.currency, query.cabin) == ("USD", "PREMIUM_ECONOMY")


@pytest.mark.parametrize(
    ("now", "earliest"),
    [
        pytest.param("2026-06-10T11:59:59Z", "2026-06-09", id="still the 9th on Baker Island"),
        pytest.param("2026-06-10T12:00:00Z", "2026-06-10", id="the 9th is over everywhere"),
    ],
)
def test_date_is_past_only_when_past_in_every_time_zone(now: str, earliest: str) -> None:
    with time_machine.travel(now, tick=False):
        assert str(asked(date=earliest).date) == earliest

        day_before = dt.date.fromisoformat(earliest) - dt.timedelta(days=1)
        assert parameter_errors(GOOD | {"date": str(day_before)}) == {
            "date": f"is in the past; the earliest date is {earliest}"
        }


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        pytest.param("2026-06-10T09:59:59Z", "2027-06-10", id="still the 10th on Kiritimati"),
        pytest.param("2026-06-10T10:00:00Z", "2027-06-11", id="the 11th has begun there"),
    ],
)
def test_date_is_too_far_ahead_only_when_so_in_every_time_zone(now: str, latest: str) -> None:
    with time_machine.travel(now, tick=False):
        assert str(asked(date=latest).date) == latest

        day_after = dt.date.fromisoformat(latest) + dt.timedelta(days=1)
        assert parameter_errors(GOOD | {"date": str(day_after)}) == {
            "date": f"is more than 365 days ahead; the latest date is {latest}"
        }


@pytest.mark.parametrize(
    "value", ["2026-02-29", "2026-13-01", "20261201", "2026-W49-2", "", "\u0661"]
)
def test_malformed_date_is_refused(value: str) -> None:
    assert parameter_errors(GOOD | {"date": value}) == {
        "date": "must be a valid date in the form YYYY-MM-DD"
    }


@pytest.mark.parametrize("value", ["JF", "JFKX", "J1K", "", " JFK", "JFK\n", "ÄBC", "\u017fFO"])
@pytest.mark.parametrize(
    ("parameter", "right"),
    [
        ("origin", "must be an IATA code of three letters, like JFK or LON"),
        ("destination", "must be an IATA code of three letters, like JFK or LON"),
        ("currency", "must be a currency code of three letters, like EUR or USD"),
    ],
)
def test_airport_code_is_three_letters(parameter: str, right: str, value: str) -> None:
    assert parameter_errors(GOOD | {parameter: value}) == {parameter: right}


def test_origin_and_destination_must_differ() -> None:
    assert parameter_errors(GOOD | {"destination": "jfk"}) == {
        "destination": "must differ from origin; both are JFK"
    }


@pytest.mark.parametrize(
    "party",
    [
        {"adults": "1"},
        {"adults": "9"},
        {"adults": "1", "children": "8"},
        {"adults": "2", "infants": "2"},
        {"adults": "4", "children": "5", "infants": "4"},
    ],
    ids=str,
)
def test_party_of_nine_seats_with_an_infant_per_adult_is_accepted(party: dict[str, str]) -> None:
    query = asked(**party)

    assert {name: str(getattr(query, name)) for name in party} == party


@pytest.mark.parametrize("value", ["0", "10", "-1", "1.0", "01", "", "one", "\uff11"])
def test_adults_are_between_one_and_nine(value: str) -> None:
    assert parameter_errors(GOOD | {"adults": value}) == {
        "adults": "must be a whole number from 1 to 9"
    }


@pytest.mark.parametrize("value", ["10", "-1", "1.0", "", "none"])
@pytest.mark.parametrize("parameter", ["children", "infants"])
def test_children_and_infants_are_between_zero_and_nine(parameter: str, value: str) -> None:
    party = {"adults": "1", parameter: value}

    assert parameter_errors(GOOD | party) == {parameter: "must be a whole number from 0 to 9"}


def test_adults_and_children_share_nine_seats() -> None:
    assert parameter_errors(GOOD | {"adults": "5", "children": "5"}) == {
        "children": "must not exceed 9 together with adults"
    }


def test_infant_needs_an_adult() -> None:
    assert parameter_errors(GOOD | {"infants": "2"}) == {
        "infants": "must not exceed the number of adults"
    }


def test_return_date_is_not_before_the_departure() -> None:
    assert asked(return_date="2026-12-01").return_date == dt.date(2026, 12, 1)
    assert parameter_errors(GOOD | {"return_date": "2026-11-30"}) == {
        "return_date": "must not be before date (2026-12-01)"
    }


@pytest.mark.parametrize("parameter", ["nocache", "nonstop"])
def test_boolean_parameter_accepts_one_true_zero_and_false(parameter: str) -> None:
    given = ("1", "true", "TRUE", "0", "false")

    assert [getattr(asked(**{parameter: value}), parameter) for value in given] == [
        True, True, True, False, False,
    ]  # fmt: skip
    for value in ("yes", "2", ""):
        assert parameter_errors(GOOD | {parameter: value}) == {
            parameter: "must be 1, true, 0 or false"
        }


def test_cabin_is_one_of_four() -> None:
    assert parameter_errors(GOOD | {"cabin": "cargo"}) == {
        "cabin": "must be one of ECONOMY, PREMIUM_ECONOMY, BUSINESS, FIRST"
    }


def test_unknown_parameter_error_suggests_the_right_name() -> None:
    assert parameter_errors(GOOD | {"nochache": "1"}) == {
        "nochache": "is not a parameter; did you mean nocache?"
    }
    assert parameter_errors(GOOD | {"q": "1"})["q"].startswith(
        "is not a parameter; valid parameters are origin"
    )


@pytest.mark.parametrize(
    ("alias", "meant"),
    [
        ("departure_date", "date"),
        ("departureDate", "date"),
        ("from", "origin"),
        ("to", "destination"),
        ("returnDate", "return_date"),
    ],
)
def test_parameter_names_of_other_services_get_a_hint(alias: str, meant: str) -> None:
    assert parameter_errors(GOOD | {alias: "1"}) == {
        alias: f"is not a parameter; did you mean {meant}?"
    }


def test_valid_parameters_are_listed_once_in_the_error() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(GOOD | {"q": "1", "colour": "red"})

    assert caught.value.detail.startswith("q is not a parameter; colour is not a parameter; valid")
    assert caught.value.detail.count("nonstop") == 1


@pytest.mark.parametrize("names", MANY_NAMES.values(), ids=MANY_NAMES)
def test_many_unknown_parameters_are_refused_quickly_and_briefly(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def compare(name: str, *_: object, **__: object) -> list[str]:
        compared.append(name)
        return ["date"]

    monkeypatch.setattr(errors_of_parameters, "get_close_matches", compare)
    query = "&".join(f"{name}=?" for name in KNOWN)
    for name in names:
        if len(query) + len(name) < MAX_QUERY_BYTES:
            query += f"&{name}"

    app = create_app(Settings())
    answer = TestClient(app).simulate_get("/flights/price", query_string=query)
    app.stop()

    assert answer.status_code == 400
    assert len(answer.content) < 4000
    assert len(compared) <= 3
    assert all(len(name) <= 16 for name in compared)


@pytest.mark.parametrize("max_age", ["0", "1", "600", "4200"])
def test_max_age_is_accepted_up_to_the_oldest_price_that_may_be_served(max_age: str) -> None:
    assert asked(max_age=max_age).max_age == int(max_age)


@pytest.mark.parametrize("max_age", ["-1", "4201", "1.5", "1e3", "", "soon", "٣", "9" * 500])
def test_max_age_out_of_range_is_refused_with_the_range(max_age: str) -> None:
    assert parameter_errors(GOOD | {"max_age": max_age}) == {
        "max_age": "must be a whole number from 0 to 4200"
    }


@pytest.mark.parametrize(
    ("options", "parameter", "error"),
    [
        ({"nocache": "1", "max_age": "0"}, "nocache", "must not be given with max_age"),
        ({"nocache": "1", "known": "1"}, "nocache", "must not be given with known"),
        (
            {"nocache": "1", "known": "1", "max_age": "60"},
            "nocache",
            "must not be given with max_age or known",
        ),
        (
            {"known": "1", "max_age": "0"},
            "known",
            "must not be given with max_age=0, because a known price has an age",
        ),
    ],
)
def test_contradictory_cache_options_are_refused(
    options: dict[str, str], parameter: str, error: str
) -> None:
    assert parameter_errors(GOOD | options) == {parameter: error}


def test_contradiction_with_an_invalid_option_is_named_too() -> None:
    errors = parameter_errors(GOOD | {"nocache": "1", "max_age": "?"})

    assert set(errors) == {"nocache", "max_age"}


@pytest.mark.parametrize(
    "options",
    [
        {"known": "1", "max_age": "1"},
        {"known": "0", "max_age": "0"},
        {"nocache": "0", "max_age": "60"},
        {"nocache": "1", "known": "0"},
    ],
)
def test_cache_options_that_agree_are_accepted(options: dict[str, str]) -> None:
    assert asked(**options).origin == "JFK"


def test_first_unknown_parameters_are_named_and_the_rest_counted() -> None:
    unknown = {f"q{number}": "1" for number in range(670)}

    assert parameter_errors(GOOD | unknown) == {
        "q0": "is not a parameter",
        "q1": "is not a parameter",
        "q2": "is not a parameter",
        "q3": f"is one of 670 unknown parameters; valid parameters are {', '.join(KNOWN)}",
    }


def test_repeated_query_parameter_is_refused() -> None:
    assert parameter_errors(GOOD | {"origin": ["JFK", "LON"]}) == {
        "origin": "must be given only once"
    }


def test_invalid_query_error_names_every_error_at_once() -> None:
    query = {
        "origin": "J", "date": "tomorrow", "adults": "0", "children": "x", "infants": "x",
        "currency": "$", "cabin": "hold", "nonstop": "?", "nocache": "?", "return_date": "later",
        "max_age": "?", "known": "?", "colour": "red",
    }  # fmt: skip

    assert set(parameter_errors(query)) == {"destination", *query}


def test_detail_of_the_problem_names_every_error() -> None:
    with pytest.raises(
        InvalidRequest, match=r"^origin must be an IATA .*; destination is required$"
    ):
        parse({"origin": "?", "date": "2026-12-01"})


def test_lone_origin_hints_at_a_url_cut_off_by_the_shell() -> None:
    with pytest.raises(InvalidRequest, match="Quote the URL") as caught:
        parse({"origin": "JFK"})

    assert [item.parameter for item in caught.value.parameter_errors] == ["destination", "date"]
