"""GET /flights/price for clients that say how old the price may be, or ask for what is known."""

import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from falcon.testing import Result
from structlog.testing import capture_logs

from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

_days = count(10)
TTL, OLDEST = 600, 4200


class Clock:
    """A clock that only a test advances."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[LocalService]:
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        yield service


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def told(answer: Result) -> tuple[int, str | None, str | None, str | None]:
    """Status, X-Cache, Age and Cache-Control of an answer."""
    headers = answer.headers
    named = (headers.get(name) for name in ("x-cache", "age", "cache-control"))
    status, age, control = named
    return answer.status_code, status, age, control


@pytest.mark.parametrize("age", [0, 539, 3000, OLDEST - 1])
def test_price_within_max_age_is_a_hit_with_its_true_age(
    service: LocalService, clock: Clock, age: int
) -> None:
    first = service.price()
    clock.now += age

    answer = service.price(max_age=str(age + 1))

    assert told(answer) == (200, "hit", str(age), f"max-age={age + 1}")
    assert answer.content == first.content
    assert answer.headers["cache-status"] == f"flight-price-api; hit; ttl={TTL - age}"
    assert service.searches() == 1


def test_price_older_than_max_age_is_fetched(service: LocalService, clock: Clock) -> None:
    service.price()
    clock.now += 301

    bypass, hit = (service.price(max_age="300") for _ in range(2))
    clock.now += TTL
    miss = service.price(max_age="300")

    assert told(bypass) == (200, "bypass", "0", "max-age=300")
    assert told(hit) == (200, "hit", "0", "max-age=300")
    assert told(miss) == (200, "miss", "0", "max-age=300")
    assert bypass.headers["cache-status"] == "flight-price-api; fwd=request; stored"
    assert service.searches() == 3


def test_price_that_is_fetched_for_max_age_serves_everybody(
    service: LocalService, clock: Clock
) -> None:
    service.price()
    clock.now += 301
    service.price(max_age="300")

    assert told(service.price()) == (200, "hit", "0", "max-age=600")


def test_max_age_of_zero_is_nocache(service: LocalService, clock: Clock) -> None:
    for searches, query in enumerate(({"nocache": "1"}, {"max_age": "0"}, {"max_age": "0"}), 1):
        answer = service.price("GET", None, **query)
        assert told(answer) == (200, "bypass", "0", "no-store")
        assert service.searches() == searches
        clock.now += 1


@pytest.mark.parametrize("max_age", ["0", "60", "1000"])
def test_failure_is_answered_to_a_client_for_which_the_stale_price_is_too_old(
    service: LocalService, clock: Clock, max_age: str
) -> None:
    service.price()
    service.fault("search", "html", "503")
    clock.now += 1001

    assert service.price(max_age=max_age).json["code"] == "amadeus-unavailable"
    assert told(service.price()) == (200, "stale", "1001", "max-age=0")
    assert told(service.price(max_age="1001")) == (200, "hit", "1001", "max-age=1001")


def test_no_offers_is_served_for_its_own_life_whatever_max_age_says(
    service: LocalService, clock: Clock
) -> None:
    service.fault("search", "empty_list", count=1)
    service.price()
    clock.now += 59

    empty = service.price(max_age="4200")
    clock.now += 1
    found = service.price(max_age="4200")

    assert told(empty) == (404, "hit", "59", "max-age=60")
    assert told(found) == (200, "miss", "0", "max-age=4200")


@pytest.mark.parametrize(
    ("query", "is_refreshed"),
    [
        ({}, True),
        ({"max_age": "600"}, True),
        ({"max_age": "601"}, False),
        ({"max_age": "4200"}, False),
        ({"known": "1"}, False),
        ({"known": "1", "max_age": "600"}, False),
    ],
)
def test_refresh_is_started_only_for_clients_to_which_the_ttl_matters(
    service: LocalService,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    *,
    is_refreshed: bool,
) -> None:
    service.price()
    clock.now += 595
    started = list[str]()
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))

    answer = service.price("GET", None, **query)

    assert (answer.status_code, answer.headers["x-cache"]) == (200, "hit")
    assert started == ["refresh"] * is_refreshed


def test_etag_is_the_same_for_every_age(service: LocalService, clock: Clock) -> None:
    etag = service.price().headers["ETag"]
    clock.now += 1000

    for query in ({"max_age": "2000"}, {"known": "1"}):
        answer = service.price("GET", {"If-None-Match": etag}, **query)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["Age"] == "1000"


@pytest.mark.parametrize(
    "query",
    [{"max_age": "2000"}, {"known": "1"}, {"known": "1", "max_age": "999"}, {"max_age": "0"}],
)
def test_offer_is_as_old_as_the_price(
    service: LocalService, clock: Clock, query: dict[str, str]
) -> None:
    service.price()
    clock.now += 1000

    offer = service.offer("GET", None, **query)

    assert told(offer) == told(service.price("GET", None, **query))
    assert service.searches() == (2 if query == {"max_age": "0"} else 1)


@pytest.mark.parametrize(("age", "control"), [(0, "max-age=600"), (600, "max-age=0")])
def test_known_price_is_a_hit_up_to_its_stale_limit(
    service: LocalService, clock: Clock, age: int, control: str
) -> None:
    first = service.price()
    clock.now += age

    answer = service.price(known="1")

    assert told(answer) == (200, "hit", str(age), control)
    assert answer.content == first.content
    assert answer.headers["cache-status"] == f"flight-price-api; hit; ttl={TTL - age}"


def test_price_that_is_not_known_is_a_404_and_causes_no_search(
    service: LocalService, clock: Clock, day: str
) -> None:
    never = service.price(date=day, known="1")
    service.price()
    clock.now += OLDEST
    too_old = service.price(known="1")

    assert told(never) == (404, None, None, "no-store")
    assert told(too_old) == (404, None, None, "no-store")
    assert never.headers["content-type"] == "application/problem+json"
    assert never.json["code"] == "not-known"
    assert never.json["detail"] == f"No price from JFK to LAX on {day} is known."
    assert service.searches() == 1


def test_known_price_that_is_older_than_max_age_is_not_known(
    service: LocalService, clock: Clock
) -> None:
    service.price()
    clock.now += 1000

    young, old = (service.price(known="1", max_age=age) for age in ("1000", "999"))

    assert told(young) == (200, "hit", "1000", "max-age=1000")
    assert told(old) == (404, None, None, "no-store")
    assert old.json["detail"].endswith("that is at most 999 seconds old is known.")


def test_known_no_offers_is_the_answer_up_to_its_stale_limit(
    service: LocalService, clock: Clock
) -> None:
    service.fault("search", "empty_list")
    service.price()
    clock.now += 3659

    known = service.price(known="1")
    clock.now += 1
    forgotten = service.price(known="1")

    assert (known.json["code"], *told(known)) == ("no-offers", 404, "hit", "3659", "max-age=0")
    assert forgotten.json["code"] == "not-known"


def test_head_of_a_known_price_has_its_headers(service: LocalService) -> None:
    service.price()

    assert told(service.price("HEAD", known="1")) == (200, "hit", "0", "max-age=600")


def test_known_hit_is_one_log_line_and_one_lookup(service: LocalService) -> None:
    service.price()
    before = lookups(service)
    with capture_logs() as lines:
        service.price(known="1")
        service.price(known="1", date=some_day(300))

    assert [line["event"] for line in lines] == ["cache.hit", "http.request"]
    after = lookups(service)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "hit": 1,
        "unknown": 1,
    }


def lookups(service: LocalService) -> dict[str, float]:
    """The look-ups so far by outcome."""
    name = 'flight_price_cache_lookups_total{outcome="'
    lines = [line for line in service.get("/metrics").text.splitlines() if line.startswith(name)]
    return {
        outcome: float(number)
        for line in lines
        for outcome, number in [line.removeprefix(name).split('"} ')]
    }


def test_disabled_cache_knows_nothing_and_accepts_no_age() -> None:
    with LocalService(cache_ttl=0) as service:
        assert told(service.price(max_age="0")) == (200, "bypass", "0", "no-store")
        assert service.price(known="1").json["code"] == "not-known"
        assert service.price(max_age="1").json["errors"] == [
            {"parameter": "max_age", "detail": "must be a whole number from 0 to 0"}
        ]


@pytest.mark.parametrize(
    ("settings", "oldest"),
    [({}, OLDEST), ({"cache_ttl": 60, "cache_stale_ttl": 90_000}, 90_060), ({"cache_ttl": 0}, 0)],
)
def test_upper_bound_of_max_age_follows_the_settings(settings: dict[str, Any], oldest: int) -> None:
    with LocalService(**settings) as service:
        document = service.get("/openapi.json").json
        assert service.price(max_age=str(oldest)).status_code == 200
        assert service.price(max_age=str(oldest + 1)).status_code == 400

    parameters = document["paths"]["/flights/price"]["get"]["parameters"]
    (schema,) = (item["schema"] for item in parameters if item["name"] == "max_age")
    assert (schema["minimum"], schema["maximum"]) == (0, oldest)
    assert all(0 <= example <= oldest for example in schema["examples"])


def test_price_is_known_as_long_as_the_settings_allow(clock: Clock) -> None:
    with LocalService(store=MemoryStore(Metrics(), clock=clock), cache_stale_ttl=90_000) as service:
        service.price()
        clock.now += 90_599
        assert told(service.price(known="1")) == (200, "hit", "90599", "max-age=0")
        assert told(service.price(max_age="90600")) == (200, "hit", "90599", "max-age=90600")
