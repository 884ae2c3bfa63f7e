"""What every store promises: the Redis store, the memory store and the layered store."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product

import pytest
import structlog

from api.errors import AmadeusTimeout, dump_upstream_error
from api.services.cache.entries import (
    CLOCK_RESOLUTION_SECONDS,
    Caller,
    Entry,
    FailureMarker,
    LockAcquired,
    LockHeld,
)
from api.services.cache.layered_store import LayeredStore
from api.services.cache.lifetimes import DEFAULT_LIFETIMES, LOCK_SECONDS, Lifetimes
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.encoding import (
    entry_key,
    lock_key,
    marker_key,
    turn_key,
    unpack_entry,
    unpack_marker,
)
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually, free_port
from tests.support.servers.redis_server import RedisServer

ERROR = dump_upstream_error(AmadeusTimeout("too late"))


KINDS = ["memory", "redis", "layered"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Store]:
    with opened(request.param, redis_server) as store:
        yield store


@contextmanager
def opened(
    kind: str, server: RedisServer, lifetimes: Lifetimes = DEFAULT_LIFETIMES
) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore(Metrics(), lifetimes=lifetimes)
        return
    shared = RedisStore(connections_to(server.url), Metrics(), lifetimes=lifetimes)
    if kind == "redis":
        yield shared
        shared.close()
        return
    layered = LayeredStore(shared, 3600, Metrics())
    layered.start()
    yield layered
    layered.close()


def claim(store: Store, owner: str, not_before: float = 0.0, *, background: bool = False) -> object:
    return store.claim("key", owner, Caller(store.time(), not_before), background=background)


def acquire(store: Store, owner: str = "me") -> LockAcquired:
    acquired = claim(store, owner)
    assert isinstance(acquired, LockAcquired)
    return acquired


def stored(store: Store, body: bytes = b"body", ttl: float = 600.0) -> Entry:
    return store.put("key", "me", body, acquire(store).at, ttl, 60.0)


def test_stored_entry_can_be_read(store: Store) -> None:
    entry = stored(store, b"a body\nof two lines \x00\xff")
    assert store.get("key") == entry
    assert entry.body == b"a body\nof two lines \x00\xff"
    assert entry.fetched_at <= entry.stored_at
    assert entry.ttl == 600


def test_lock_has_one_owner(store: Store) -> None:
    acquire(store, "me")
    assert isinstance(claim(store, "another"), LockHeld)


def test_released_lock_is_free(store: Store) -> None:
    acquire(store, "me")
    store.release("key", "another")
    assert isinstance(claim(store, "another"), LockHeld)
    store.release("key", "me")
    assert isinstance(claim(store, "another"), LockAcquired)


def test_lock_that_is_not_renewed_expires_after_three_seconds(store: Store) -> None:
    end = acquire(store, "the dead").at + LOCK_SECONDS
    asked = store.time()
    while isinstance(claimed := claim(store, "another"), LockHeld):
        # Redis counts a key's life in whole milliseconds, and keeps the key during the last.
        assert asked < end + 0.001
        time.sleep(0.05)
        asked = store.time()
    assert isinstance(claimed, LockAcquired)
    assert claimed.at > end - 0.001


def test_renewed_lock_is_kept(store: Store) -> None:
    acquire(store, "me")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        store.renew("key", "me")
        assert isinstance(claim(store, "another"), LockHeld)
        time.sleep(0.5)


def test_put_releases_the_lock_and_serves_the_next_reader(store: Store) -> None:
    entry = stored(store)
    assert claim(store, "another") == entry
    assert isinstance(
        claim(store, "another", entry.fetched_at + CLOCK_RESOLUTION_SECONDS), LockAcquired
    )


def test_older_entry_never_replaces_a_newer_one(store: Store) -> None:
    newer = stored(store, b"newer")
    assert store.put("key", "late", b"older", newer.fetched_at - 5, 600, 60) == newer
    assert store.get("key") == newer


def test_entry_from_the_future_is_ignored_and_replaced(store: Store) -> None:
    store.put("key", "fast clock", b"future", store.time() + 3600, 600, 60)
    assert store.get("key") is None
    entry = stored(store, b"now")
    assert store.get("key") == entry


def test_expired_entry_is_returned_as_not_fresh(store: Store) -> None:
    entry = stored(store, ttl=0.2)
    eventually(lambda: not entry.is_fresh(store.now()))
    assert store.get("key") == entry
    assert isinstance(claim(store, "me"), LockAcquired)


def test_expired_entry_serves_a_caller_that_accepts_its_age(store: Store) -> None:
    entry = stored(store, ttl=0.2)
    eventually(lambda: not entry.is_fresh(store.now() - 0.02))
    arrived = store.time()

    def claimed(not_before: float, stale_ttl: float) -> object:
        return store.claim("key", "me", Caller(arrived, not_before, stale_ttl), background=False)

    assert claimed(entry.fetched_at, 60) == entry
    assert isinstance(claimed(entry.fetched_at, 0.01), LockAcquired)
    store.release("key", "me")
    assert isinstance(claimed(entry.fetched_at + CLOCK_RESOLUTION_SECONDS, 60), LockAcquired)


def test_expired_entry_without_a_body_serves_no_caller(store: Store) -> None:
    entry = stored(store, b"", ttl=0.2)
    caller = Caller(store.time(), entry.fetched_at, 60)
    assert store.claim("key", "me", caller, background=False) == entry
    eventually(lambda: not entry.is_fresh(store.now()))
    caller = Caller(store.time(), entry.fetched_at, 60)
    assert isinstance(store.claim("key", "me", caller, background=False), LockAcquired)


def test_waiter_gets_the_awaited_entry_even_after_its_ttl(store: Store) -> None:
    arrived = store.time()
    entry = store.put("key", "slow", b"body", arrived - 10, 1, 0)
    assert store.claim("key", "waiter", Caller(arrived), background=False) == entry


def test_failure_answers_its_waiters_and_no_later_caller(store: Store) -> None:
    acquire(store)
    arrived = store.time()
    marker = store.fail("key", "me", ERROR, 0.0, 1)
    assert store.claim("key", "waiter", Caller(arrived), background=False) == marker
    assert store.failure_marker("key") == marker
    assert isinstance(marker.error(store.now()), AmadeusTimeout)
    eventually(lambda: store.time() > marker.failed_at)
    assert isinstance(claim(store, "next"), LockAcquired)


def test_failure_with_a_pause_answers_every_caller_until_the_pause_ends(store: Store) -> None:
    acquire(store)
    marker = store.fail("key", "me", ERROR, 1.0, 3)
    assert isinstance(claim(store, "next"), FailureMarker)
    eventually(lambda: store.time() > marker.failed_at + 1)
    acquired = claim(store, "next")
    assert isinstance(acquired, LockAcquired)
    assert acquired.tries == 3


def test_background_refresh_waits_a_second_after_a_failure(store: Store) -> None:
    acquire(store)
    marker = store.fail("key", "me", ERROR, 0.0, 1)
    assert isinstance(claim(store, "refresher", background=True), LockHeld)
    eventually(lambda: store.time() > marker.failed_at + 1)
    assert isinstance(claim(store, "refresher", background=True), LockAcquired)


def test_success_removes_the_failure_marker(store: Store) -> None:
    acquire(store)
    store.fail("key", "me", ERROR, 0.0, 1)
    stored(store)
    assert store.failure_marker("key") is None


def wait_until(store: Store, moment: float) -> None:
    eventually(lambda: store.time() > moment)


@pytest.mark.parametrize("kind", KINDS)
def test_failure_marker_is_kept_while_a_retry_is_running(
    kind: str, redis_server: RedisServer
) -> None:
    with opened(kind, redis_server, Lifetimes(marker=1.0)) as store:
        is_in_time = False
        while not is_in_time:  # the marker may end while the machine pauses
            acquire(store)
            marker = store.fail("key", "me", ERROR, 0.0, 1)
            wait_until(store, marker.failed_at + 0.7)
            retry = acquire(store, "the next to try")
            wait_until(store, marker.failed_at + 1.1)
            kept = store.failure_marker("key")
            is_in_time = retry.at < marker.failed_at + 0.99 and store.time() < retry.at + 0.99
            store.release("key", "the next to try")
        assert kept == marker


def test_dropped_entry_is_the_only_one_deleted(store: Store) -> None:
    entry = stored(store)
    store.drop("key", entry.fetched_at - 1)
    assert store.get("key") == entry
    store.drop("key", entry.fetched_at)
    # What Redis announced before may reach the copy in the process a moment later.
    eventually(lambda: store.get("key") is None, within=1)


def test_workers_put_together_in_which_parts_of_its_ttl_they_read_an_entry(store: Store) -> None:
    assert store.share_reads("key", 1_800_000_000.5, 0b0001) == 0b0001
    assert store.share_reads("key", 1_800_000_000.5, 1 << 30) == 1 << 30 | 0b0001
    assert store.share_reads("other", 1_800_000_000.5, 0b0100) == 0b0100
    assert store.share_reads("key", 1_800_000_600.5, 0b1000) == 0b1000  # of the next entry


def assert_turns_apart(store: MemoryStore, seconds: list[float], worker_count: int = 1) -> None:
    """Assert the distances of turns from the first, for callers that wait at most 10 s."""
    earliest, latest = [], []
    for _ in seconds:
        asked = time.monotonic()
        wait, _, _ = store.take_turns("pace", 1.0, 10, worker_count)
        earliest.append(asked + wait)
        latest.append(time.monotonic() + wait)
    # The calls themselves took some of this time; clocks have a resolution of microseconds.
    assert all(
        early - latest[0] - 0.001 <= distance <= late - earliest[0] + 0.001
        for early, late, distance in zip(earliest, latest, seconds, strict=True)
    )


def test_pacing_turns_are_one_interval_apart(store: MemoryStore) -> None:
    assert_turns_apart(store, [0, 1, 2, 3, 4])


def test_pacing_turn_that_comes_too_late_is_not_taken(store: MemoryStore) -> None:
    asked = time.monotonic()
    store.take_turns("pace", 9.0, 10, 1)
    taken = time.monotonic()
    for _ in range(2):
        before = time.monotonic()
        wait, _, _ = store.take_turns("pace", 9.0, 1.0, 1)
        assert 9 - (time.monotonic() - asked) - 0.001 < wait < 9 - (before - taken) + 0.001


def test_pacing_turns_from_the_future_delay_no_call() -> None:
    times = [1_800_000_000.0]
    store = MemoryStore(Metrics(), clock=lambda: times[-1])
    assert store.take_turns("pace", 1.0, 10, 1) == (0, 1, 1)
    times.append(times[0] - 3600)
    assert [store.take_turns("pace", 1.0, 10, 1)[0] for _ in range(3)] == [0, 1, 2]


def test_worker_without_redis_takes_its_share_of_the_pacing_turns() -> None:
    assert_turns_apart(MemoryStore(Metrics()), [0, 4, 8], worker_count=4)


def test_closed_store_reports_no_outage() -> None:
    connections = connections_to(f"redis://127.0.0.1:{free_port()}")
    store = LayeredStore(RedisStore(connections, Metrics()), 3600, Metrics())
    store.close()
    with structlog.testing.capture_logs() as said:
        assert store.get("key") is None
    assert (store.is_up, said) == (True, [])


def test_lock_is_released_when_outage_entries_are_shared(redis_server: RedisServer) -> None:
    store = LayeredStore(RedisStore(connections_to(redis_server.url), Metrics()), 60, Metrics())
    store.start()
    acquired = acquire(store)
    redis_server.client.replicaof("127.0.0.1", "1")  # a replica refuses writes
    store.put("key", "me", b"body", acquired.at, 600, 60)
    redis_server.client.replicaof("NO", "ONE")
    eventually(lambda: redis_server.keys(entry_key("key")))
    assert not redis_server.keys(lock_key("key"))
    store.close()


def test_replica_with_a_slow_clock_serves_no_expired_entry_at_start(
    redis_server: RedisServer,
) -> None:
    with closing(RedisStore(connections_to(redis_server.url), Metrics())) as right:
        right.put("key", "", b"expired", right.time() - 10, 5, 60)
    request = CacheRequest("key", lambda _: FetchedValue(b"new", 600), lambda *_: None)
    connections = connections_to(redis_server.url)
    with closing(RedisStore(connections, Metrics(), lambda: time.time() - 1800)) as slow:
        result = ReadThrough(slow, fetch_timeout=5).read(request, Deadline(5))
    assert result.entry.body == b"new"


def test_lock_and_marker_from_the_future_are_ignored(
    redis_server: RedisServer,
) -> None:
    marker = b"1 %.6f 0.000000 1\n" % (time.time() + 3600) + ERROR
    redis_server.client.set(marker_key("key"), marker, ex=3600)
    redis_server.client.set(lock_key("key"), "the dead", ex=3600)
    with closing(RedisStore(connections_to(redis_server.url), Metrics())) as store:
        assert store.failure_marker("key") is None
        assert isinstance(claim(store, "me"), LockAcquired)


ODD_NUMBERS = [
    *("inf", "nan", "-1.0", "+1.0", "1e3", "0x10", "1_0.0", " 1.0", "1", "1.", ".5", "3.5", ""),
    *("9" * 400 + ".0", "9999999999.9", "10000000000.0"),
]


@pytest.mark.parametrize("place", range(3))
def test_scripts_and_python_recognise_the_same_values(
    redis_server: RedisServer, place: int
) -> None:
    kinds = ((entry_key("key"), unpack_entry), (marker_key("key"), unpack_marker))
    with closing(RedisStore(connections_to(redis_server.url), Metrics())) as store:
        for number, (key, unpack) in product(ODD_NUMBERS, kinds):
            numbers = ["1.0", "2.0", "3.0"]
            numbers[place] = number
            raw = f"1 {' '.join(numbers)}\n".encode()
            redis_server.client.flushall()
            redis_server.client.set(key, raw)
            assert claim(store, "me")  # so the script deletes the foreign value
            assert (number, redis_server.get(key)) == (number, raw if unpack(raw) else None)


@pytest.mark.parametrize("wrong", ["inf 1.0", "nan 1.0", f"{'9' * 400}.0 1.0", "0x7fffffff 1.0"])
def test_foreign_value_in_the_pacing_key_delays_no_call(
    redis_server: RedisServer, wrong: str
) -> None:
    redis_server.client.set(turn_key("pace"), wrong)
    with closing(RedisStore(connections_to(redis_server.url), Metrics())) as store:
        assert store.take_turns("pace", 1.0, 10, 1) == (0, 1, 1)


def test_foreign_value_in_the_failure_marker_key_is_deleted(redis_server: RedisServer) -> None:
    redis_server.client.set(marker_key("key"), b"1 1.0 inf 1\n" + ERROR)
    with closing(RedisStore(connections_to(redis_server.url), Metrics())) as store:
        assert store.failure_marker("key") is None
    assert not redis_server.client.exists(marker_key("key"))
