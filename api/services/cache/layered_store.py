"""Redis, with a copy in each worker that answers faster and survives an outage of Redis.

The copy holds the entries that this worker read or stored. Redis announces every put and drop to
all workers, together with the entry, and the copy keeps the newest by `fetched_at`. The copy is
coherent while no announcement can have been missed; only then does it answer hits.

When Redis fails, no caller waits for it. The worker uses its copy and its own locks until a probe
finds that Redis accepts writes again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from cachetools import LRUCache

from api.services.cache.entries import Caller, Claim, Entry, FailureMarker, LockAcquired, Turns
from api.services.cache.memory_store import MemoryStore
from api.services.cache.redis.calls import StoreUnavailable, UnexpectedReply
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.store import Store
from api.services.slots import QueueTooLong
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

PROBE_SECONDS: Final = 0.5
RESUBSCRIBE_SECONDS: Final = 0.2
# About the number of entries that the copy holds.
MAX_UNSHARED: Final = 12_000

T = TypeVar("T")

log = get_logger()


class LayeredStore:
    """Implements `CheckedStore`: reads the copy if it is coherent or Redis is down, else Redis."""

    def __init__(
        self,
        shared: RedisStore,
        stale_ttl: float,
        metrics: Metrics,
        *,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        """Open no connection and start no thread; `start` does.

        stale_ttl: seconds for which the copy keeps an entry after its TTL.
        """
        self._shared = shared
        self._stale_ttl = stale_ttl
        self._metrics = metrics
        self._probe_seconds = probe_seconds
        self._copy = MemoryStore(metrics, clock=shared.now, lifetimes=shared.lifetimes)
        self._lock = threading.Lock()
        self._is_down = False
        self._is_coherent = False
        # Changes whenever the copy may have missed an announcement; see `_keep_copy`.
        self._generation = 0
        # Entries that Redis lacks, with their stale TTL and the owner of the lock in Redis.
        self._unshared: LRUCache[str, tuple[Entry, float, str]] = LRUCache(MAX_UNSHARED)
        self._closed = threading.Event()
        self._checked_at = time.monotonic()

    @property
    def is_up(self) -> bool:
        """Whether Redis works."""
        return not self._is_down

    @property
    def checked_ago(self) -> float:
        """Seconds since Redis was last checked, successfully or not."""
        return time.monotonic() - self._checked_at

    def start(self) -> None:
        """Check Redis, and start to follow the announcements."""
        with self._bugs_logged():
            self._try(self._shared.check, lambda: None)
        self._checked_at = time.monotonic()
        threading.Thread(target=self._follow, name="announcements", daemon=True).start()

    def close(self) -> None:
        """End the threads and close the connections."""
        self._closed.set()
        self._shared.close()

    def now(self) -> float:
        return self._shared.now()

    def time(self) -> float:
        return self._try(self._shared.time, self._shared.now)

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        if self._is_coherent:
            entry = self._copy.get(key, touch=touch)
            if entry is not None:
                return entry
        return self._try(lambda: self._get_shared(key), lambda: self._copy.get(key, touch=touch))

    def failure_marker(self, key: str) -> FailureMarker | None:
        return self._either(lambda store: store.failure_marker(key))

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        return self._either(lambda store: store.claim(key, owner, caller, background=background))

    def is_probably_absent(self, key: str) -> bool:
        # Except for entries from before the subscription, which get fewer with time.
        return self._is_coherent and self._copy.never_had(key)

    def claim_absent(self, key: str, owner: str, caller: Caller) -> LockAcquired | None:
        return self._either(lambda store: store.claim_absent(key, owner, caller))

    def renew(self, key: str, owner: str) -> None:
        self._copy.renew(key, owner)
        self._try(lambda: self._shared.renew(key, owner), lambda: None)

    def release(self, key: str, owner: str) -> None:
        self._copy.release(key, owner)
        self._try(lambda: self._shared.release(key, owner), lambda: None)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        def share() -> Entry:
            generation = self._generation
            entry = self._shared.put(key, owner, body, fetched_at, ttl, stale_ttl)
            self._keep_copy(key, entry, generation)
            return entry

        def remember() -> Entry:
            entry = self._copy.put(key, owner, body, fetched_at, ttl, stale_ttl)
            with self._lock:
                self._unshared[key] = entry, stale_ttl, owner
            return entry

        entry = self._try(share, remember)
        self._copy.release(key, owner)  # the lock is in the copy if Redis was down at the claim
        return entry

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        marker = self._either(lambda store: store.fail(key, owner, body, pause, tries))
        self._copy.release(key, owner)
        return marker

    def drop(self, key: str, fetched_at: float) -> None:
        self._copy.drop(key, fetched_at)
        self._try(lambda: self._shared.drop(key, fetched_at), lambda: None)

    def take_turns(
        self,
        key: str,
        interval: float,
        max_wait: float,
        worker_count: int,
        count: int = 1,
        returned: int = 0,
    ) -> Turns:
        return self._either(
            lambda store: store.take_turns(key, interval, max_wait, worker_count, count, returned)
        )

    def share_reads(self, key: str, fetched_at: float, parts: int) -> int:
        return self._either(lambda store: store.share_reads(key, fetched_at, parts))

    def _get_shared(self, key: str) -> Entry | None:
        generation = self._generation
        entry = self._shared.get(key)
        if entry is not None:
            self._keep_copy(key, entry, generation)
        return entry

    def _keep_copy(self, key: str, entry: Entry, generation: int) -> None:
        """Copy an entry from Redis unless the generation has changed since it was requested.

        After a change, the announcement of a newer entry may have been missed. If the copy has an
        entry for this key, replace it anyway: in an outage, the copy would serve that older one.
        """
        with self._lock:
            if generation == self._generation or self._copy.get(key) is not None:
                self._copy.keep(key, entry, self._stale_ttl)

    def _try(self, shared: Callable[[], T], local: Callable[[], T]) -> T:
        if not self._is_down:
            try:
                return shared()
            except QueueTooLong:
                pass  # Redis works, but this caller would wait too long for it
            except StoreUnavailable as exc:
                self._go_down(exc)
        return local()

    def _either(self, call: Callable[[Store], T]) -> T:
        return self._try(lambda: call(self._shared), lambda: call(self._copy))

    def _go_down(self, exc: StoreUnavailable) -> None:
        with self._lock:
            if self._is_down or self._closed.is_set():
                return
            self._is_down = True
            self._checked_at = time.monotonic()
            self._mark_incoherent()
        self._metrics.redis_down.set(1)
        _log_unavailable(exc)
        threading.Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _mark_incoherent(self) -> None:
        self._is_coherent = False
        self._generation += 1

    @contextmanager
    def _bugs_logged(self) -> Iterator[None]:
        """Log unexpected exceptions, so that the thread that watches Redis goes on."""
        try:
            yield
        except Exception:
            if not self._closed.is_set():  # a closed connection is expected then
                log.exception(Event.CACHE_FOLLOW_FAILED)

    def _probe(self) -> None:
        since = self._shared.now()
        while not self._closed.wait(self._probe_seconds):
            self._checked_at = time.monotonic()
            with self._bugs_logged(), suppress(StoreUnavailable):
                self._shared.check()
                self._share_unshared()
                self._is_down = False
                self._metrics.redis_down.set(0)
                log.info(Event.CACHE_RECOVERED, outage_s=round(self._shared.now() - since, 1))
                return

    def _share_unshared(self) -> None:
        """Put the entries that were stored during the outage into Redis."""
        while self._unshared:
            with self._lock:
                key, unshared = next(iter(self._unshared.items()))
            entry, stale_ttl, owner = unshared
            self._shared.put(key, owner, entry.body, entry.fetched_at, entry.ttl, stale_ttl)
            with self._lock:
                if self._unshared.get(key) == unshared:
                    del self._unshared[key]

    def _follow(self) -> None:
        """Keep the copy coherent; subscribe again whenever the subscription ends."""
        while not self._closed.is_set():
            with self._bugs_logged():
                try:
                    if not self._is_down:
                        self._follow_one_subscription()
                except StoreUnavailable as exc:
                    if isinstance(exc, UnexpectedReply) and not self._closed.is_set():
                        _log_unavailable(exc)
                    # Find out before the next request whether all of Redis failed.
                    self._try(self._shared.check, lambda: None)
                finally:
                    with self._lock:
                        self._mark_incoherent()
            self._closed.wait(RESUBSCRIBE_SECONDS)

    def _follow_one_subscription(self) -> None:
        with self._shared.announcements() as announcements:
            with self._lock:
                if self._is_down:
                    return  # keep the copy: nothing else can answer now
                self._copy.clear()
                self._generation += 1
                self._is_coherent = True
            for announced in announcements:
                if self._closed.is_set() or not self._is_coherent:
                    return
                self._checked_at = time.monotonic()
                if announced is None:
                    continue
                if announced.entry is None:
                    self._copy.drop(announced.key, announced.fetched_at)
                else:
                    self._copy.keep(announced.key, announced.entry, self._stale_ttl)


def _log_unavailable(exc: StoreUnavailable) -> None:
    cause = exc if isinstance(exc, UnexpectedReply) else None
    log.warning(Event.CACHE_UNAVAILABLE, reason=str(exc), exc_info=cause)
