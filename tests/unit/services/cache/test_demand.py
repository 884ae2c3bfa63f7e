"""An entry is refreshed before it expires if, and only if, its readers come back to it."""

import threading
from collections.abc import Sequence
from random import Random

import pytest

from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from bench.virtual_time import virtual_time
from tests.support.processes import eventually

TTL, FETCH_SECONDS, TTLS = 600.0, 1.0, 20


def outcomes(
    moments: Sequence[float], workers: int = 12, *, counts: bool = True
) -> tuple[list[Outcome], int]:
    """Read one route at these moments, each in any worker; return the outcomes and the calls."""
    found, calls, random = list[Outcome](), 0, Random(1)
    with virtual_time() as clock:
        store = MemoryStore(Metrics(), clock=clock.now)
        fleet = [ReadThrough(store, fetch_timeout=15) for _ in range(workers)]

        def fetch(_: Deadline) -> FetchedValue:
            nonlocal calls
            calls += 1
            clock.sleep(FETCH_SECONDS)
            return FetchedValue(b"new", TTL)

        def read() -> None:
            request = CacheRequest("route", fetch, observe=lambda _event, _entry: None)
            reader = random.choice(fleet)
            found.append(reader.read(request, Deadline(15), refresh_ahead=counts).outcome)

        for moment in moments:
            clock.at(moment, read)
        clock.run()
    return found, calls


def evenly(per_ttl: float) -> list[float]:
    """Return evenly spaced moments, for many TTLs."""
    return [1 + number * TTL / per_ttl for number in range(int(TTLS * per_ttl))]


@pytest.mark.parametrize("workers", [1, 12])
@pytest.mark.parametrize("per_ttl", [3, 3.3, 5, 40])
def test_route_that_is_read_at_least_three_times_a_ttl_stays_a_hit(
    per_ttl: float, workers: int
) -> None:
    (first, *later), calls = outcomes(evenly(per_ttl), workers)

    assert (first, set(later)) == (Outcome.MISS, {Outcome.HIT})
    assert calls <= TTLS + 2  # a call is for a whole TTL, all but two seconds


def test_route_with_many_random_readers_stays_a_hit() -> None:
    random = Random(2)
    (_, *later), calls = outcomes(sorted(random.uniform(1, TTLS * TTL) for _ in range(40 * TTLS)))

    assert set(later) == {Outcome.HIT}
    assert calls <= TTLS + 2


@pytest.mark.parametrize(
    "moments",
    [evenly(2), evenly(0.5), [1, 3, 4, 5, 6], [1, 590, 595, 597], [1, 100, 200, 300]],
    ids=["twice a TTL", "every second TTL", "at once", "at the end", "and then no more"],
)
def test_route_whose_readers_stay_away_is_fetched_only_for_them(moments: list[float]) -> None:
    found, calls = outcomes(moments)

    assert calls == found.count(Outcome.MISS)


def test_reads_that_do_not_count_cause_no_refresh() -> None:
    found, calls = outcomes(evenly(5), counts=False)

    assert calls == found.count(Outcome.MISS) > 1


def test_closed_read_through_plans_no_refresh() -> None:
    before = threading.enumerate()
    cache = ReadThrough(MemoryStore(Metrics()), fetch_timeout=15)
    fetch = FetchedValue(b"new", TTL)
    request = CacheRequest("route", lambda _: fetch, observe=lambda _event, _entry: None)
    for _ in range(2):
        cache.read(request, Deadline(15))
    (thread,) = [it for it in threading.enumerate() if it not in before and it.name == "refresh"]

    cache.close()

    eventually(lambda: not thread.is_alive())
