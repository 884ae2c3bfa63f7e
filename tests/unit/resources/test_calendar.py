"""GET /flights/calendar: its days, its headers and its errors."""

import datetime as dt
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from falcon.testing import Result

from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

NDJSON = {"Accept": "application/x-ndjson"}
_periods = count(20, 4)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture
def service(running: LocalService) -> LocalService:
    """The service, with faults removed and counters reset."""
    running.clear()
    return running


@pytest.fixture
def days() -> list[str]:
    """Three days that no other test uses."""
    first = next(_periods)
    return [some_day(first + number) for number in range(3)]


def period(days: list[str]) -> dict[str, str]:
    return {"from": days[0], "to": days[-1]}


def data(answer: Result) -> dict[str, Any]:
    found: dict[str, Any] = answer.json["data"]
    return found


def lines(answer: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def next_month() -> dt.date:
    return (dt.datetime.now(dt.UTC).date().replace(day=1) + dt.timedelta(days=62)).replace(day=1)


def test_calendar_of_a_month_has_each_day_and_the_cheapest(service: LocalService) -> None:
    month = next_month()

    answer = data(service.calendar({"month": f"{month:%Y-%m}", "cabin": "first"}))

    dates = [day["departure_date"] for day in answer["days"]]
    last = (month + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
    assert (answer["origin"], answer["destination"]) == ("JFK", "LAX")
    assert (dates[0], dates[-1], len(dates)) == (str(month), str(last), last.day)
    assert (answer["from"], answer["to"], answer["missing"]) == (str(month), str(last), [])
    amounts = {day["departure_date"]: float(day["price"].split()[0]) for day in answer["days"]}
    assert amounts[answer["cheapest"]["departure_date"]] == min(amounts.values())


def test_day_of_a_calendar_is_the_cached_price_of_that_day(
    service: LocalService, days: list[str]
) -> None:
    first = service.price(date=days[0], adults="2").json["data"]["price"]

    answer = service.calendar(period(days) | {"adults": "2"})
    again = service.price(date=days[1], adults="2")

    assert data(answer)["days"][0]["price"] == first
    assert again.json["data"]["price"] == data(answer)["days"][1]["price"]
    assert (answer.headers["X-Cache"], again.headers["X-Cache"]) == ("partial", "hit")
    assert service.searches() == 3


def test_nights_ask_for_round_trips(service: LocalService, days: list[str]) -> None:
    answer = service.calendar(period(days) | {"nights": "7"})

    back = str(dt.date.fromisoformat(days[1]) + dt.timedelta(days=7))
    one = service.price(date=days[1], return_date=back)
    assert one.headers["X-Cache"] == "hit"
    assert one.json["data"]["price"] == data(answer)["days"][1]["price"]


def test_known_month_is_answered_without_a_call(service: LocalService, days: list[str]) -> None:
    first = service.calendar(period(days))
    service.clear()

    second = service.calendar(period(days))

    assert data(second)["days"] == data(first)["days"]
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert (first.headers["X-Upstream-Calls"], second.headers["X-Upstream-Calls"]) == ("3", "0")
    assert service.searches() == 0


def test_headers_of_a_complete_calendar(service: LocalService, days: list[str]) -> None:
    headers = service.calendar(period(days)).headers

    assert headers["Age"] == "0"
    assert headers["Cache-Control"] in ("max-age=599", "max-age=600")
    assert headers["Vary"] == "Accept"
    assert headers["X-Amadeus-Environment"] == "sandbox"
    assert "ETag" not in headers


def test_stream_has_a_line_for_each_day_and_one_for_the_end(
    service: LocalService, days: list[str]
) -> None:
    answer = service.calendar(period(days), NDJSON)

    *known, end = lines(answer)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert {day["departure_date"] for day in known} == set(days)
    assert {"departure_date", "price", "age"} == known[0].keys()
    assert end == {
        "cheapest": data(service.calendar(period(days)))["cheapest"],
        "missing": [],
        "upstream_calls": 3,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Accept"
    assert "Age" not in answer.headers


def test_calendar_without_any_answer_has_the_error_of_its_days(
    service: LocalService, days: list[str]
) -> None:
    for headers in (None, NDJSON):
        answer = service.calendar(period(days) | {"origin": "XXX"}, headers)

        assert (answer.status_code, answer.json["code"]) == (400, "rejected-by-amadeus")
        assert answer.headers["X-Upstream-Calls"] == "3"
        assert answer.headers["Vary"] == "Accept"
