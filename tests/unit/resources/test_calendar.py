"""GET /flights/calendar: its days, its headers and its errors."""

import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from falcon.testing import Result
from structlog.testing import capture_logs

from api.services.cache.entries import Entry, Turns
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

NDJSON = {"Accept": "application/x-ndjson"}
_periods = count(110, 4)  # later than the days and months that tests name


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


class SlowStore(MemoryStore):
    """A store with a method that takes a fifth of a second, once a test names it."""

    slow_method = ""

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        self._wait_in("get")
        return super().get(key, touch=touch)

    def take_turns(self, *arguments: Any) -> Turns:
        self._wait_in("take_turns")
        return super().take_turns(*arguments)

    def _wait_in(self, method: str) -> None:
        if method == self.slow_method:
            time.sleep(0.2)


class Clock:
    """A clock that a test can advance."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counted(service: LocalService, name: str) -> float:
    """The sum of the counters whose name begins like this."""
    samples = [line.rsplit(" ", 1) for line in service.get("/metrics").text.splitlines()]
    return sum(float(value) for series, value in samples if series.startswith(name))


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
    assert "X-Upstream-Calls" not in answer.headers


def test_from_and_to_may_span_a_change_of_month(service: LocalService) -> None:
    last = next_month() - dt.timedelta(days=1)
    days = [str(last), str(last + dt.timedelta(days=1))]

    assert [day["departure_date"] for day in data(service.calendar(period(days)))["days"]] == days


def test_day_without_offers_has_no_price(service: LocalService, days: list[str]) -> None:
    service.fault("search", "empty_list")

    for _ in range(2):
        answer = service.calendar(period(days))

        assert answer.status_code == 200
        assert [day["price"] for day in data(answer)["days"]] == [None, None, None]
        assert data(answer)["cheapest"] is None
        assert answer.headers["Cache-Control"] == "max-age=60"


def test_cheapest_day_has_a_price_if_others_have_none(
    service: LocalService, days: list[str]
) -> None:
    service.price(date=days[1])
    service.fault("search", "empty_list")

    answer = data(service.calendar(period(days)))

    assert answer["cheapest"] == {
        "departure_date": days[1],
        "price": answer["days"][1]["price"],
    }


def test_failed_day_is_missing_with_its_code(service: LocalService, days: list[str]) -> None:
    service.price(date=days[1])
    service.fault("search", "status", "403:38197")

    answer = service.calendar(period(days))

    code = "amadeus-misconfigured"
    assert data(answer)["missing"] == [
        {"departure_date": days[0], "code": code},
        {"departure_date": days[2], "code": code},
    ]
    assert [day["departure_date"] for day in data(answer)["days"]] == [days[1]]
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "partial")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Upstream-Calls"] == "2"


def test_retries_count_as_calls(service: LocalService, days: list[str]) -> None:
    service.fault("search", "status", "500:141", count=1)

    assert service.calendar(period(days)).headers["X-Upstream-Calls"] == "4"


def test_missing_days_are_the_last_line_of_a_stream(service: LocalService, days: list[str]) -> None:
    service.price(date=days[1])
    service.fault("search", "status", "403:38197")

    known, end = lines(service.calendar(period(days), NDJSON))

    assert known["departure_date"] == days[1]
    assert [day["departure_date"] for day in end["missing"]] == [days[0], days[2]]
    assert end["upstream_calls"] == 2


def test_stale_price_stands_in_for_a_day_that_fails(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock), cache_ttl=600) as service:
        price = service.price(date=days[0]).json["data"]["price"]
        clock.ahead = 700
        service.fault("search", "status", "403:38197")

        answer = service.calendar(period(days))
        young = service.calendar(period(days) | {"max_age": "600"})

    [day] = data(answer)["days"]
    assert (day["departure_date"], day["price"]) == (days[0], price)
    assert 700 <= day["age"] < 730
    assert (answer.headers["X-Cache"], answer.headers["Cache-Control"]) == ("miss", "no-store")
    assert young.status_code == 502  # nothing older than max_age stands in


def test_stale_day_whose_fetch_just_failed_is_answered_at_once(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.calendar(period(days))
        clock.ahead = 700
        service.fault("search", "status", "403:38197")
        service.calendar(period(days))
        calls = service.searches()
        clock.ahead += 2  # a background fetch waits for a second after a failure

        answer = service.calendar(period(days))
        service.price(date=some_day(32))  # a background fetch would have begun before

        assert service.searches() == calls + 1
    assert answer.headers["X-Upstream-Calls"] == "0"
    assert [day["age"] >= 700 for day in data(answer)["days"]] == [True, True]


def test_answer_goes_out_at_the_deadline_with_what_is_there() -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(request_deadline=1) as service:
        service.price(date=days[0])
        service.fault("search", "latency", 5000)
        started = time.monotonic()

        answer = service.calendar(period(days))

    assert time.monotonic() - started < 3
    assert [day["departure_date"] for day in data(answer)["days"]] == [days[0]]
    assert data(answer)["missing"] == [{"departure_date": days[1], "code": "amadeus-timeout"}]


def test_age_is_that_of_the_oldest_day_and_the_shortest_time_left_counts(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.price(date=days[0])
        clock.ahead = 200
        service.fault("search", "empty_list")  # is cached for 60 seconds

        answer = service.calendar(period(days))

    ages = [day["age"] for day in data(answer)["days"]]
    assert answer.headers["Age"] == str(max(ages)) == str(ages[0])
    left = int(answer.headers["Cache-Control"].removeprefix("max-age=")) - max(ages)
    assert 58 <= left <= 60


def test_max_age_accepts_an_older_day(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.calendar(period(days))
        service.clear()
        clock.ahead = 700

        answer = service.calendar(period(days) | {"max_age": "3600"})

        assert service.searches() == 0
    assert answer.headers["X-Cache"] == "hit"
    assert answer.headers["Cache-Control"] in ("max-age=3600", "max-age=3599")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_known_days_are_answered_without_a_call(
    service: LocalService, days: list[str], method: str
) -> None:
    service.price(date=days[1])
    service.clear()
    query = period(days) | ({"known": "1"} if method == "GET" else {})

    answer = service.calendar(query, method=method)
    nothing = service.calendar(query | {"adults": "9"}, method=method)

    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "partial")
    assert (answer.headers["X-Upstream-Calls"], service.searches()) == ("0", 0)
    assert answer.headers["Cache-Control"] == "no-store"
    assert nothing.status_code == 404
    if method == "GET":
        assert {day["code"] for day in data(answer)["missing"]} == {"not-known"}
        assert nothing.json["code"] == "not-known"


def test_known_day_costs_no_line_and_no_refresh_and_counts_as_no_lookup(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.calendar(period(days))
        before = counted(service, "flight_price_cache_lookups_total")
        threads = threading.enumerate()
        with capture_logs() as record:
            assert service.calendar(period(days)).headers["X-Cache"] == "hit"

        assert counted(service, "flight_price_cache_lookups_total") == before
        new = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert "refresh" not in new  # a hit of a price would start it
    [line] = record
    assert line["event"] == "http.request"


def test_end_line_counts_the_days(service: LocalService, days: list[str]) -> None:
    service.price(date=days[0])
    service.fault("search", "status", "403:38197", count=1)
    for headers in (None, NDJSON):
        with capture_logs() as record:
            service.calendar(period(days), headers)

        [line] = [line for line in record if "path" in line]
        counts = [line[name] for name in ("known", "fetched", "stale", "missing")]
        assert (line["event"], line["path"]) == ("http.request", "/flights/calendar")
        assert line["status"] == 200
        if headers is None:
            assert (counts, line["upstream_calls"], line["cache"]) == ([1, 1, 0, 1], 2, "partial")
        else:
            assert (counts, line["upstream_calls"], line["cache"]) == ([2, 1, 0, 0], 1, "partial")


def test_metric_counts_the_calls_that_known_days_saved(
    service: LocalService, days: list[str]
) -> None:
    name = 'flight_price_calendar_dates_total{outcome="known"}'
    service.calendar(period(days))
    before = counted(service, name)

    service.calendar(period(days))

    assert counted(service, name) == before + 3


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_day_that_nobody_wanted_to_fetch_is_neither_missing_nor_a_call_saved(
    clock: Clock, method: str
) -> None:
    days = [some_day(30), some_day(31)]
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.price(date=days[0])
        clock.ahead = 700
        option = {"known": "1"} if method == "GET" else {}

        service.calendar(period(days) | option, method=method)

        outcomes = ("known", "fetched", "stale", "missing", "unknown")
        name = "flight_price_calendar_dates_total"
        counts = [counted(service, f'{name}{{outcome="{outcome}"}}') for outcome in outcomes]
    assert counts == [0, 0, 1, 0, 1]


def test_known_days_are_calls_saved(service: LocalService, days: list[str]) -> None:
    def saved() -> float:
        found: float = service.get("/status.json").json["since_start"]["calls_saved"]
        return found

    service.price(date=some_day(19))
    service.price(date=some_day(19))  # saves a call, and the figure is not cut off at zero
    before = saved()
    service.calendar(period(days))
    assert saved() == before

    service.calendar(period(days))

    assert saved() == before + 3


def test_request_is_timed_until_the_end_of_its_stream(
    service: LocalService, days: list[str]
) -> None:
    service.price(date=days[0])  # the head waits for no other day
    service.fault("search", "latency", 300)
    with capture_logs() as record:
        answer = service.calendar(period(days), NDJSON)

    [line] = [line for line in record if "path" in line]
    assert answer.status_code == 200
    assert line["duration_ms"] >= 300


def test_days_beyond_the_rate_limit_are_missing() -> None:
    with LocalService(client_rate_limit=3, web_concurrency=1) as service:
        days = [some_day(30 + number) for number in range(4)]

        answer = service.calendar(period(days))
        refused = service.price(date=days[3])

    assert [day["departure_date"] for day in data(answer)["days"]] == days[:2]
    assert data(answer)["missing"] == [
        {"departure_date": day, "code": "too-many-requests"} for day in days[2:]
    ]
    assert answer.headers["RateLimit"].startswith('"client";r=0')
    assert refused.status_code == 429


def test_stale_price_stands_in_for_a_day_beyond_the_rate_limit(clock: Clock) -> None:
    days = [some_day(30), some_day(31)]
    limits = {"client_rate_limit": 4, "web_concurrency": 1}
    with LocalService(store=MemoryStore(Metrics(), clock=clock), **limits) as service:
        first = data(service.calendar(period(days)))
        clock.ahead = 700  # and the limit is whole again
        service.calendar(period(days) | {"adults": "2"})

        answer = service.calendar(period(days))

    assert [day["price"] for day in data(answer)["days"]] == [day["price"] for day in first["days"]]
    assert [day["age"] >= 700 for day in data(answer)["days"]] == [True, True]
    assert (data(answer)["missing"], answer.headers["Cache-Control"]) == ([], "no-store")


def test_known_days_count_as_one_request() -> None:
    with LocalService(client_rate_limit=5, web_concurrency=1) as service:
        days = [some_day(30 + number) for number in range(2)]
        service.calendar(period(days))

        answers = [service.calendar(period(days)).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


def test_calendar_without_an_allowance_is_refused() -> None:
    with LocalService(client_rate_limit=1, web_concurrency=1) as service:
        answer = service.calendar(period([some_day(30), some_day(31)]))

    assert (answer.status_code, answer.json["code"]) == (429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-Upstream-Calls"] == "0"


@pytest.mark.parametrize("accept", ["application/x-ndjson", "Application/X-NDJSON", "*/*"])
def test_head_of_a_calendar_has_the_headers_of_its_get(
    service: LocalService, days: list[str], accept: str
) -> None:
    service.calendar(period(days))

    got, head = [
        service.calendar(period(days), {"Accept": accept}, method).headers
        for method in ("GET", "HEAD")
    ]

    ours = {"x-request-id", "traceparent"}
    assert {name: head[name] for name in head if name not in ours} == {
        name: got[name] for name in got if name not in ours
    }
    assert ("ndjson" in got["Content-Type"]) == (accept != "*/*")


@pytest.mark.parametrize(
    ("method", "option"), [("get", {}), ("get", {"known": "1"}), ("take_turns", {})], ids=str
)
def test_calendar_of_a_slow_store_answers_in_time(method: str, option: dict[str, str]) -> None:
    store = SlowStore(Metrics())
    first, last = some_day(30), some_day(49)
    with LocalService(store=store, request_deadline=1, client_rate_limit=100) as service:
        service.price(date=first)
        store.slow_method = method
        sent_at = time.monotonic()

        answer = service.calendar({"from": first, "to": last} | option)

        assert time.monotonic() - sent_at < 2
    assert data(answer)["days"][0]["departure_date"] == first
    assert data(answer)["missing"][-1] == {"departure_date": last, "code": "not-in-time"}


def test_bad_calendar_query_names_every_error_at_once(service: LocalService) -> None:
    answer = service.calendar(
        {"month": "2026-13", "from": "x", "nights": "-1", "date": "x", "nocache": "1", "y": "1"}
    )

    assert (answer.status_code, answer.json["code"]) == (400, "invalid-request")
    assert {error["parameter"] for error in answer.json["errors"]} == {
        "month", "from", "to", "nights", "date", "nocache", "y",
    }  # fmt: skip
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["X-Upstream-Calls"] == "0"


@pytest.mark.parametrize("headers", [None, NDJSON], ids=["whole", "stream"])
def test_calendar_that_ends_with_a_bug_says_how_many_calls_it_made(
    service: LocalService,
    days: list[str],
    headers: dict[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("api.services.calendar.amount_of")

    answer = service.calendar({"from": days[0], "to": days[0]}, headers)

    assert (answer.status_code, answer.headers["X-Upstream-Calls"]) == (500, "1")


def test_calendar_without_any_answer_has_the_error_of_its_days(
    service: LocalService, days: list[str]
) -> None:
    for headers in (None, NDJSON):
        answer = service.calendar(period(days) | {"origin": "XXX"}, headers)

        assert (answer.status_code, answer.json["code"]) == (400, "rejected-by-amadeus")
        assert answer.headers["X-Upstream-Calls"] == "3"
        assert answer.headers["Vary"] == "Accept"
