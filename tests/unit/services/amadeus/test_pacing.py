"""Pacing: the distance between turns allows for late calls, and a pause stops them."""

from itertools import count
from typing import Any

import pytest

from api.errors import AmadeusQuota
from api.services.amadeus.pacing import PAUSE_CHECK_SECONDS, Pacing, interval
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.deadline import Deadline, Terms
from api.telemetry.metrics import Metrics
from protocol.errors import AmadeusError
from sandbox.config import RateLimit
from sandbox.state.rate_limits import Limits


def refusals(limit: RateLimit, turn: float, late: float) -> int:
    """The number of refused calls out of 400, if every third arrives late."""
    times = (number * turn + (number % 3 == 0) * late for number in count())
    limits = Limits(limit, None, monotonic=lambda: next(times))
    refused = 0
    for _ in range(400):
        try:
            limits.admit("somebody")
        except AmadeusError:
            refused += 1
    return refused


@pytest.mark.parametrize(
    ("limit", "rate", "late"), [("test", 10.0, 0.019), ("production", 40.0, 0.099)]
)
def test_slightly_late_call_keeps_its_distance_from_other_calls(
    limit: RateLimit, rate: float, late: float
) -> None:
    assert refusals(limit, interval(rate), late) == 0
    assert refusals(limit, 1 / rate, late) > 0


@pytest.mark.parametrize(("rate", "share"), [(0.5, 0.98), (5.0, 0.9), (10.0, 0.8), (40.0, 0.9)])
def test_pacing_uses_most_of_the_rate_limit(rate: float, share: float) -> None:
    assert share < 1 / interval(rate) / rate < 1


class Counted(MemoryStore):
    """A store with a clock to set; it counts the entries that are put."""

    def __init__(self) -> None:
        super().__init__(Metrics(), clock=lambda: self.time_now)
        self.time_now = 1000.0
        self.puts = 0

    def put(self, *arguments: Any, **more: Any) -> Entry:
        self.puts += 1
        return super().put(*arguments, **more)


def ask(store: MemoryStore) -> None:
    """Take a turn as a call of another worker."""
    Pacing(store, "account", None, 1, Metrics()).await_turn(Terms(Deadline(60)), 10)


def test_absence_of_a_pause_is_noted_for_all_workers_once_a_minute() -> None:
    store = Counted()
    for _ in range(3):
        ask(store)
    assert store.puts == 1

    store.time_now += PAUSE_CHECK_SECONDS + 1
    ask(store)
    assert store.puts == 2


def test_pause_stops_calls_until_it_is_over() -> None:
    store = Counted()
    ask(store)
    pacing = Pacing(store, "account", None, 1, Metrics())
    pacing.pause(AmadeusQuota("used up", retry_after=3600))
    store.time_now += 600

    with pytest.raises(AmadeusQuota) as refused:
        ask(store)
    assert refused.value.retry_after == 3000

    store.time_now += 3001
    ask(store)


def test_pause_begins_although_the_clock_of_another_worker_is_ahead() -> None:
    store = Counted()
    store.time_now += 0.9
    ask(store)
    store.time_now -= 0.9
    Pacing(store, "account", None, 1, Metrics()).pause(AmadeusQuota("used up", retry_after=60))

    with pytest.raises(AmadeusQuota):
        ask(store)


def test_short_pause_ends_in_time() -> None:
    store = Counted()
    Pacing(store, "account", None, 1, Metrics()).pause(AmadeusQuota("used up", retry_after=1))
    store.time_now += 1.1

    ask(store)
