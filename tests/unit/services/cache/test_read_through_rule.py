"""The read-through's rule holds under random interleavings of events.

Each seed is a story of its own. This module uses threads, `test_read_through_gevent.py` greenlets,
and `test_read_through_redis.py` a real Redis.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import pytest

from api.errors import AmadeusTimeout, dump_upstream_error
from api.services.cache.entries import Caller, Claim
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.stories import LIFETIMES, READERS, Clock, Story, played

# Stories mostly wait, so several run at once.
SEEDS = [range(6), range(6, 12)]
# A store's time is far from zero, even if this machine has just been started.
EPOCH = 10_000_000.0


@pytest.mark.thorough
@pytest.mark.parametrize("stepping", [False, True], ids=["steady clock", "stepping clock"])
@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_read_through_rule_holds_under_random_interleavings(
    seeds: range, *, stepping: bool
) -> None:
    def begin(seed: int) -> Story:
        clock = Clock(EPOCH)
        store = MemoryStore(Metrics(), clock=clock.now, lifetimes=LIFETIMES)
        return Story(Random(seed), clock, lambda: store)

    with ThreadPoolExecutor() as threads:
        stories = threads.map(lambda seed: played(partial(begin, seed), stepping=stepping), seeds)
    for story in stories:
        assert len(story.fetches) < READERS


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_clock_step_of_the_store_causes_a_fetch_and_no_failure(step: float) -> None:
    offset = EPOCH
    store = MemoryStore(Metrics(), clock=lambda: time.monotonic() + offset)
    fetched = 0

    def fetch(_deadline: Deadline) -> FetchedValue:
        nonlocal fetched
        fetched += 1
        return FetchedValue(str(fetched).encode(), 600)

    reader = ReadThrough(store, fetch_timeout=1.0)
    request = CacheRequest("key", fetch, observe=lambda _event, _entry: None)
    reader.read(request, Deadline(5))
    offset += step
    answers = [reader.read(request, Deadline(5)) for _ in range(20)]
    forced = reader.read(request, Deadline(5), max_age=0)
    assert int(forced.entry.body) == fetched <= 3
    assert all(0 <= answer.age < 600 for answer in answers)


class RoundingStore(MemoryStore):
    """A store that rounds times to microseconds, as a Redis script does."""

    claims = 0

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        self.claims += 1
        rounded = Caller(round(caller.arrived, 6), round(caller.not_before, 6), caller.stale_ttl)
        return super().claim(key, owner, rounded, background=background)


@pytest.fixture
def rounding() -> RoundingStore:
    """A store whose second time reading is a fraction of a microsecond after the first."""
    times = [1_800_000_000.123456 + 3e-7, 1_800_000_000.123456]
    return RoundingStore(Metrics(), clock=lambda: times.pop() if len(times) > 1 else times[0])


def test_leader_accepts_its_entry_from_a_store_that_rounds_times(rounding: RoundingStore) -> None:
    request = CacheRequest("key", lambda _: FetchedValue(b"new", 0), lambda _event, _entry: None)
    rounding.put("key", "", b"old", 1_800_000_000.123456, 0, 60)

    assert ReadThrough(rounding, 1).read(request, Deadline(0.5)).entry.body == b"old"
    assert rounding.claims == 1


def test_leader_accepts_its_failure_from_a_store_that_rounds_times(rounding: RoundingStore) -> None:
    request = CacheRequest("key", lambda _: FetchedValue(b"new", 0), lambda _event, _entry: None)
    rounding.fail("key", "", dump_upstream_error(AmadeusTimeout("too late")), 0, 1)

    with pytest.raises(AmadeusTimeout, match="too late"):
        ReadThrough(rounding, 1).read(request, Deadline(0.5))
    assert rounding.claims == 1
