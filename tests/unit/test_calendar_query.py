"""Validation of calendar queries: which days they mean, and the text of each error."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from api.errors import InvalidRequest
from api.models import CalendarRequest
from api.resources import parameters as url
from api.resources.calendar import EXAMPLE

ROUTE = {"origin": "JFK", "destination": "LAX"}


@pytest.fixture(autouse=True)
def _some_noon() -> Any:
    """The first valid date is 2026-11-21, the last one 2027-11-22."""
    with time_machine.travel(dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC), tick=False):
        yield


def parse(query: dict[str, str]) -> CalendarRequest:
    return url.parse(CalendarRequest, ROUTE | query, EXAMPLE, ttl=600, oldest=4200)


def days_of(**query: str) -> list[str]:
    query = {name.rstrip("_"): value for name, value in query.items()}
    return [str(query.date) for query in parse(query).queries()]


def errors_of(**query: str) -> dict[str, str]:
    query = {name.rstrip("_"): value for name, value in query.items()}
    with pytest.raises(InvalidRequest) as caught:
        parse(query)
    return {item.parameter: item.detail for item in caught.value.parameter_errors}


def test_month_means_all_of_its_days() -> None:
    days = days_of(month="2027-02")

    assert (days[0], days[-1], len(days)) == ("2027-02-01", "2027-02-28", 28)


def test_period_has_its_first_and_its_last_day() -> None:
    days = days_of(from_="2026-12-18", to="2027-01-17")

    assert (days[0], days[-1], len(days)) == ("2026-12-18", "2027-01-17", 31)


def test_each_day_is_a_price_query_with_all_options() -> None:
    options = {"adults": "2", "children": "1", "infants": "1", "currency": "usd"}
    request = parse({"month": "2026-12", "nights": "7", "cabin": "first", "nonstop": "1"} | options)

    query = request.queries()[30]

    assert (query.origin, query.destination, query.date) == ("JFK", "LAX", dt.date(2026, 12, 31))
    assert query.return_date == dt.date(2027, 1, 7)
    assert (query.adults, query.children, query.infants) == (2, 1, 1)
    assert (query.currency, query.cabin, query.nonstop) == ("USD", "FIRST", True)


def test_trip_of_no_night_returns_on_the_same_day() -> None:
    query = parse({"month": "2026-12", "nights": "0"}).queries()[0]

    assert query.return_date == query.date


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        pytest.param({"month": "2026-11"}, "2026-11-21", "2026-11-30", id="days that are over"),
        pytest.param({"month": "2027-11"}, "2027-11-01", "2027-11-22", id="too far ahead"),
        pytest.param(
            {"month": "2027-11", "nights": "7"}, "2027-11-01", "2027-11-15", id="return too far"
        ),
        pytest.param(
            {"from_": "2026-11-01", "to": "2026-11-22"}, "2026-11-21", "2026-11-22", id="period"
        ),
    ],
)
def test_days_that_cannot_be_asked_for_are_left_out(
    query: dict[str, str], first: str, last: str
) -> None:
    days = days_of(**query)

    assert (days[0], days[-1]) == (first, last)


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ({}, "month", "is required, or from and to"),
        ({"month": "2026-13"}, "month", "must be a valid month in the form YYYY-MM"),
        ({"month": "2026-12-01"}, "month", "must be a valid month in the form YYYY-MM"),
        ({"month": "2026-10"}, "month", "is in the past; the earliest date is 2026-11-21"),
        (
            {"month": "2027-12"},
            "month",
            "is more than 365 days ahead; the latest date is 2027-11-22",
        ),
        ({"from_": "2026-12-01"}, "to", "is required with from"),
        ({"to": "2026-12-01"}, "to", "must be given with from"),
        (
            {"from_": "2026-12-02", "to": "2026-12-01"},
            "to",
            "must not be before from (2026-12-02)",
        ),
        (
            {"from_": "2026-12-01", "to": "2027-01-01"},
            "to",
            "must not be after 2026-12-31, because a calendar has at most 31 days",
        ),
        (
            {"from_": "2026-11-01", "to": "2026-11-20"},
            "to",
            "is in the past; the earliest date is 2026-11-21",
        ),
        (
            {"from_": "2027-11-23", "to": "2027-11-30"},
            "from",
            "is more than 365 days ahead; the latest date is 2027-11-22",
        ),
        (
            {"month": "2026-12", "from_": "2026-12-01", "to": "2026-12-02"},
            "month",
            "must not be given with from or to",
        ),
        ({"month": "2026-12", "nights": "-1"}, "nights", "must be a whole number from 0 to 365"),
        ({"month": "2026-12", "nights": "366"}, "nights", "must be a whole number from 0 to 365"),
        (
            {"month": "2027-11", "nights": "300"},
            "nights",
            "leaves no day whose return is at most 365 days ahead",
        ),
        (
            {"month": "2026-12", "date": "2026-12-01"},
            "date",
            "is for one day; give month, or from and to",
        ),
        (
            {"month": "2026-12", "return_date": "2026-12-01"},
            "return_date",
            "is for one day; give nights",
        ),
        (
            {"month": "2026-12", "nocache": "1"},
            "nocache",
            "is for the price of one day; a calendar fetches no known day again",
        ),
        (
            {"month": "2026-12", "max_age": "599"},
            "max_age",
            "must be at least 600, because less would fetch every day again",
        ),
        (
            {"month": "2026-12", "max_age": "0", "known": "1"},
            "max_age",
            "must not be 0 with known, because a known price has an age",
        ),
        ({"month": "2026-12", "mont": "1"}, "mont", "is not a parameter; did you mean month?"),
    ],
    ids=str,
)
def test_invalid_calendar_query_is_refused_with_the_reason(
    query: dict[str, str], parameter: str, detail: str
) -> None:
    assert errors_of(**query) == {parameter: detail}


@pytest.mark.parametrize(
    "query", [{"max_age": "600"}, {"max_age": "4200"}, {"max_age": "1", "known": "1"}]
)
def test_max_age_that_fetches_no_fresh_day_is_accepted(query: dict[str, str]) -> None:
    assert parse({"month": "2026-12"} | query).max_age == int(query["max_age"])


def test_errors_of_a_calendar_query_are_named_at_once() -> None:
    query = {
        "month": "2026-13", "from_": "soon", "to": "later", "nights": "x", "adults": "0",
        "currency": "$", "cabin": "hold", "nonstop": "?", "max_age": "?", "known": "?",
        "date": "?", "return_date": "?", "nocache": "?", "colour": "red",
    }  # fmt: skip

    assert set(errors_of(**query)) == {name.rstrip("_") for name in query}
