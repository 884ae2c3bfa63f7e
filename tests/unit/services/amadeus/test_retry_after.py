"""Amadeus refuses calls for a while, and says for how long in Retry-After."""

import datetime as dt
from collections.abc import Iterator
from email.utils import format_datetime

import pytest
import structlog

from api.errors import AmadeusPaused, AmadeusQuota, AmadeusUnavailable
from api.services.amadeus.pacing import Pacing
from api.services.amadeus.replies import MAX_PAUSE_SECONDS, Reply, seconds_to_wait
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import TokenProvider
from api.services.amadeus.transport import Call
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline, Terms
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

SENT = "Sat, 28 Nov 2026 10:00:10 GMT"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[LocalService]:
    """A service with a cached price for `some_day(30)`."""
    store = MemoryStore(Metrics(), clock=clock)
    with LocalService(store=store, cache_ttl=10) as service:
        assert service.price(date=some_day(30)).status_code == 200
        service.clear()
        yield service


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        *(("37", SENT, 37), (" 37 ", SENT, 37), ("1", None, 1)),
        *(
            ("Sat, 28 Nov 2026 10:00:47 GMT", SENT, 37),
            ("Saturday, 28-Nov-26 10:00:47 GMT", SENT, 37),
        ),
        *(
            ("Sat, 28 Nov 2099 10:00:47 GMT", SENT, MAX_PAUSE_SECONDS),
            ("9" * 5000, SENT, MAX_PAUSE_SECONDS),
        ),
        *(("", SENT, None), ("0", SENT, None), (SENT, SENT, None), ("-5", SENT, None)),
        *(("1.5", SENT, None), ("\u0663", SENT, None), ("inf", SENT, None), ("soon", SENT, None)),
        *((SENT, "today", None), ("Sat, 28 Nov 2026 10:00:47 -0000", SENT, None)),
        ("Sat, 28 Nov 99999 10:00:47 GMT", SENT, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_clock_of_the_answer(
    value: str, date: str | None, seconds: float | None
) -> None:
    headers = {"Retry-After": value} | ({"Date": date} if date else {})
    assert seconds_to_wait(headers) == seconds


def test_date_in_an_answer_without_a_clock_counts_from_now() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    wait = seconds_to_wait({"Retry-After": format_datetime(soon, usegmt=True)})
    assert wait is not None
    assert 90 < wait <= 100


@pytest.mark.parametrize(
    ("status", "code"),
    [("429:38194:30", "amadeus-unavailable"), ("429:38195:30", "amadeus-quota")],
)
def test_no_search_is_made_until_the_time_that_amadeus_named(
    service: LocalService, clock: Clock, status: str, code: str
) -> None:
    service.fault("search", "status", status, count=1)
    first = service.price(date=some_day(31))
    clock.now += 10
    later = service.price(date=some_day(32))
    assert [answer.json["code"] for answer in (first, later)] == [code, code]
    assert [answer.headers["Retry-After"] for answer in (first, later)] == ["30", "20"]
    assert service.searches() == 1

    clock.now += int(later.headers["Retry-After"]) + 0.001
    assert service.price(date=some_day(32)).status_code == 200


def test_last_known_price_is_served_meanwhile(service: LocalService, clock: Clock) -> None:
    clock.now += 20
    service.fault("search", "status", "429:38194:30", count=1)
    for _ in range(2):
        assert service.price(date=some_day(30)).headers["X-Cache"] == "stale"
    assert service.searches() == 1


def test_refusals_with_a_time_do_not_open_the_circuit(service: LocalService, clock: Clock) -> None:
    service.fault("search", "status", "429:38194:1")
    for ahead in range(40, 52):
        assert service.price(date=some_day(ahead)).headers["Retry-After"] == "1"
        clock.now += 1.001
    assert service.searches() == 12
    service.clear()
    assert service.price(date=some_day(52)).status_code == 200


def test_log_says_for_how_long_searches_are_paused(service: LocalService) -> None:
    service.fault("search", "status", "429:38194:99999", count=1)
    with structlog.testing.capture_logs() as record:
        service.price(date=some_day(31))
    [call] = [line for line in record if line["event"] == "amadeus.call"]
    assert (call["code"], call["retry_after"], call["log_level"]) == ("38194", 3600, "warning")


def test_token_is_not_asked_for_before_the_time_that_amadeus_named(clock: Clock) -> None:
    began, called_at = clock.now, []

    def call(_call: Call, _deadline: Deadline) -> Reply:
        called_at.append(clock.now - began)
        raise AmadeusPaused("Too many calls.", retry_after=30)

    store = MemoryStore(Metrics(), clock=clock)
    provider = TokenProvider(
        store, ReadThrough(store, 5), call, "https://x", Credentials("id", "secret"), Metrics()
    )
    for _ in range(100):
        with pytest.raises(AmadeusUnavailable):
            provider.token(Deadline(5))
        clock.now += 0.5

    assert called_at == [0, 30.5]


@pytest.mark.parametrize("first", [3600, 5])
def test_pause_that_ends_later_stays(clock: Clock, first: float) -> None:
    pacing = Pacing(MemoryStore(Metrics(), clock=clock), "account", None, 1, Metrics())
    pacing.pause(AmadeusQuota("used up", retry_after=first))
    pacing.pause(AmadeusPaused("too many", retry_after=30))
    clock.now += 20
    with pytest.raises(AmadeusQuota if first > 30 else AmadeusUnavailable) as refused:
        pacing.await_turn(Terms(Deadline(10)), 5)
    assert refused.value.retry_after == max(first, 30) - 20
