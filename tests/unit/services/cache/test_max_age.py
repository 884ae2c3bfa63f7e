"""A caller that says how old an entry may be gets none that is older."""

import threading
from collections.abc import Callable

import pytest

from api.errors import AmadeusUnavailable, TooManyRequests, UpstreamError
from api.services.cache.entries import Caller, Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.events import Event
from api.telemetry.metrics import Metrics

NOW = 1_800_000_000.0
TTL, STALE_TTL = 600.0, 3600.0


class Cache:
    """A read-through on a store with a clock that stands still, and a record of its fetches."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryStore(Metrics(), clock=lambda: self.now)
        self.reader = ReadThrough(self.store, fetch_timeout=5)
        self.fetched = 0
        self.bypassed = 0
        self.seen: list[Event] = []
        self.error: UpstreamError | None = None

    def keep(self, age: float, body: bytes = b"old", ttl: float = TTL) -> None:
        """Store an entry of this age."""
        entry = Entry(body, self.now - age, self.now - age + 0.5, ttl)
        self.store.keep("key", entry, 10_000)

    def read(
        self,
        max_age: float | None,
        *,
        refresh_ahead: bool = True,
        before_bypass: Callable[[], None] | None = None,
    ) -> CacheResult:
        return self.reader.read(
            CacheRequest("key", self._fetch, self._observe, STALE_TTL),
            Deadline(5),
            max_age=max_age,
            refresh_ahead=refresh_ahead,
            before_bypass=before_bypass or self._count,
        )

    def _fetch(self, _deadline: Deadline) -> FetchedValue:
        self.fetched += 1
        if self.error:
            raise self.error
        return FetchedValue(b"new", TTL)

    def _observe(self, event: Event, _entry: Entry | None) -> None:
        self.seen.append(event)

    def _count(self) -> None:
        self.bypassed += 1


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.mark.parametrize(
    ("age", "max_age"), [(300, 300), (599, 600), (3000, 3000), (4199, 4200), (30, 4200)]
)
def test_entry_that_is_young_enough_is_a_hit_whatever_its_ttl(
    cache: Cache, age: float, max_age: float
) -> None:
    cache.keep(age)

    result = cache.read(max_age, refresh_ahead=False)

    assert (result.entry.body, result.outcome, result.age) == (b"old", Outcome.HIT, age)
    assert (cache.fetched, cache.bypassed, cache.seen) == (0, 0, [])


def test_entry_beyond_its_stale_limit_is_fetched_again(cache: Cache) -> None:
    cache.keep(age=3602, ttl=1)

    assert cache.read(TTL + STALE_TTL).outcome is Outcome.MISS


def test_fresh_entry_that_is_too_old_for_the_caller_is_bypassed_and_counted(cache: Cache) -> None:
    cache.keep(age=301)

    result = cache.read(max_age=300)

    assert (result.entry.body, result.outcome) == (b"new", Outcome.BYPASS)
    assert (cache.fetched, cache.bypassed) == (1, 1)
    assert cache.seen == [Event.CACHE_BYPASS, Event.CACHE_STORED]


@pytest.mark.parametrize("age", [None, 601, 3000])
def test_fetch_that_an_ordinary_read_would_cause_too_is_a_miss_and_not_counted(
    cache: Cache, age: float | None
) -> None:
    if age is not None:
        cache.keep(age)

    assert cache.read(max_age=300).outcome is Outcome.MISS
    assert (cache.fetched, cache.bypassed) == (1, 0)


def test_refused_bypass_fetches_nothing(cache: Cache) -> None:
    cache.keep(age=301)

    def refuse() -> None:
        raise TooManyRequests("no")

    for max_age in (300, 0):
        with pytest.raises(TooManyRequests):
            cache.read(max_age, before_bypass=refuse)
    assert cache.fetched == 0


def test_max_age_of_zero_is_always_a_counted_bypass(cache: Cache) -> None:
    assert cache.read(max_age=0).outcome is Outcome.BYPASS
    cache.now += 1

    assert cache.read(max_age=0).outcome is Outcome.BYPASS
    assert (cache.fetched, cache.bypassed) == (2, 2)


@pytest.mark.parametrize(("age", "max_age"), [(301, 300), (3001, 3000), (1, 0)])
def test_nothing_older_stands_in_for_a_failure(cache: Cache, age: float, max_age: float) -> None:
    cache.keep(age)
    cache.error = AmadeusUnavailable("no")

    for fetched in (1, 2):  # the failure marker of the first changes nothing
        cache.now += 0.1
        with pytest.raises(AmadeusUnavailable):
            cache.read(max_age)
        assert cache.fetched == fetched
    assert cache.read(None).outcome is Outcome.HIT if age < TTL else Outcome.STALE


def test_expired_entry_serves_during_a_failure_if_it_is_young_enough(cache: Cache) -> None:
    cache.keep(age=3000)
    cache.error = AmadeusUnavailable("no")
    cache.read(None)

    assert cache.read(max_age=3001).outcome is Outcome.HIT


def test_entry_without_a_body_serves_for_its_own_ttl_only(cache: Cache) -> None:
    cache.keep(age=59, body=b"", ttl=60)
    assert cache.read(max_age=4200, refresh_ahead=False).outcome is Outcome.HIT
    cache.now += 2

    assert cache.read(max_age=4200).entry.body == b"new"


@pytest.mark.parametrize("has_failed", [False, True])
def test_read_without_refresh_ahead_starts_no_fetch_in_the_background(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, *, has_failed: bool
) -> None:
    if has_failed:
        cache.keep(age=700)
        cache.error = AmadeusUnavailable("no")
        cache.read(None)
    else:
        cache.keep(age=599)

    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    result = cache.read(None, refresh_ahead=False)

    assert result.outcome is (Outcome.STALE if has_failed else Outcome.HIT)
    with pytest.raises(pytest.fail.Exception, match="started"):  # an ordinary read does start one
        cache.read(None)


def test_entry_that_is_served_beyond_its_ttl_is_not_refreshed(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.keep(age=700)

    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))

    assert cache.read(max_age=701).outcome is Outcome.HIT


def test_newer_entry_that_the_first_look_missed_is_taken_from_the_claim(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when the announcement of another worker's entry has not reached the copy yet.
    cache.keep(age=700)
    monkeypatch.setattr(cache.store, "get", lambda *_, **__: None)

    result = cache.read(max_age=701)

    assert (result.entry.body, result.outcome, cache.fetched) == (b"old", Outcome.MISS, 0)


def test_claim_of_an_ordinary_caller_is_not_served_by_an_expired_entry(cache: Cache) -> None:
    cache.keep(age=700)
    entry = cache.store.get("key")
    assert entry
    assert not entry.serves(Caller(NOW))
    assert entry.serves(Caller(NOW, NOW - 701, STALE_TTL))
