"""Redis, with a copy in the process that answers faster and outlives it.

The copy holds what this worker read or stored. It answers hits without a round trip for as long
as it is coherent: every put and drop in the fleet is announced, with the entry itself, and the
newest by `fetched_at` stays. Whatever could have been missed makes it unusable at once.

When Redis fails, nobody waits for it any more: the copy and the locks of this process do, until
a probe finds that Redis takes writes again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from cachetools import LRUCache

from api.services.cache.entries import Claim, Entry, FailureMarker
from api.services.cache.memory_store import MemoryStore
from api.services.cache.redis.redis_store import RedisStore, StoreUnavailable
from api.services.cache.store import Store
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

PROBE_SECONDS: Final = 0.5
RESUBSCRIBE_SECONDS: Final = 0.2
# About as many as the copy holds.
MAX_UNSHARED: Final = 12_000

T = TypeVar("T")

log = get_logger()


class LayeredStore:
    """Implements `Store`: the copy while it is coherent, else Redis; without Redis, the copy."""

    def __init__(self, shared: RedisStore, stale_ttl: float) -> None:
        """Opens no connection and starts no thread; `start` does.

        `stale_ttl`: seconds for which the copy remembers an entry beyond its TTL.
        """
        self._shared = shared
        self._stale_ttl = stale_ttl
        self._copy = MemoryStore(clock=shared.now)
        self._lock = threading.Lock()
        self._is_down = False
        self._is_coherent = False
        # Counts what could have made the copy miss something: see `_take_over`.
        self._generation = 0
        # Each with the name under which Redis may still hold a lock for it.
        self._unshared: LRUCache[str, tuple[Entry, float, str]] = LRUCache(MAX_UNSHARED)
        self._closed = threading.Event()
        self._checked_at = time.monotonic()

    @property
    def is_up(self) -> bool:
        """Whether Redis is in use."""
        return not self._is_down

    @property
    def checked_ago(self) -> float:
        """Seconds since Redis last answered, or was last seen not to."""
        return time.monotonic() - self._checked_at

    def start(self) -> None:
        """See whether Redis works, and follow what the fleet stores."""
        with self._bugs_logged():
            self._try(self._shared.check, lambda: None)
        self._checked_at = time.monotonic()
        threading.Thread(target=self._follow, name="announcements", daemon=True).start()

    def close(self) -> None:
        """End the threads and give the connections back."""
        self._closed.set()
        self._shared.close()

    def now(self) -> float:
        return self._shared.now()

    def time(self) -> float:
        return self._try(self._shared.time, self._shared.now)

    def get(self, key: str) -> Entry | None:
        if self._is_coherent:
            entry = self._copy.get(key)
            if entry is not None:
                return entry
        return self._try(lambda: self._get_shared(key), lambda: self._copy.get(key))

    def failure_marker(self, key: str) -> FailureMarker | None:
        return self._either(lambda store: store.failure_marker(key))

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Claim:
        return self._either(
            lambda store: store.claim(key, owner, not_before, arrived, background=background)
        )

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
            self._take_over(key, entry, generation)
            return entry

        def remember() -> Entry:
            entry = self._copy.put(key, owner, body, fetched_at, ttl, stale_ttl)
            with self._lock:
                self._unshared[key] = entry, stale_ttl, owner
            return entry

        entry = self._try(share, remember)
        self._copy.release(key, owner)  # in case Redis failed when it was asked for the lock
        return entry

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        marker = self._either(lambda store: store.fail(key, owner, body, pause, tries))
        self._copy.release(key, owner)
        return marker

    def drop(self, key: str, fetched_at: float) -> None:
        self._copy.drop(key, fetched_at)
        self._try(lambda: self._shared.drop(key, fetched_at), lambda: None)

    def take_turn(
        self, key: str, interval: float, max_wait: float, worker_count: int
    ) -> tuple[float, float]:
        return self._either(lambda store: store.take_turn(key, interval, max_wait, worker_count))

    def _get_shared(self, key: str) -> Entry | None:
        generation = self._generation
        entry = self._shared.get(key)
        if entry is not None:
            self._take_over(key, entry, generation)
        return entry

    def _take_over(self, key: str, entry: Entry, generation: int) -> None:
        """Keep what Redis answered to somebody who asked in that generation.

        If something could have been missed since, the answer may be older than what was missed,
        and is good for that one caller only. An older one that the copy has is worse all the same:
        it would be served in an outage.
        """
        with self._lock:
            if generation == self._generation or self._copy.get(key) is not None:
                self._copy.keep(key, entry, self._stale_ttl)

    def _try(self, shared: Callable[[], T], local: Callable[[], T]) -> T:
        if not self._is_down:
            try:
                return shared()
            except StoreUnavailable as exc:
                self._go_down(str(exc))
        return local()

    def _either(self, ask: Callable[[Store], T]) -> T:
        return self._try(lambda: ask(self._shared), lambda: ask(self._copy))

    def _go_down(self, reason: str) -> None:
        with self._lock:
            if self._is_down or self._closed.is_set():  # `close` took the connections away
                return
            self._is_down = True
            self._checked_at = time.monotonic()
            self._distrust_copy()
        metrics.REDIS_DOWN.set(1)
        log.warning(Event.CACHE_UNAVAILABLE, reason=reason)
        threading.Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _distrust_copy(self) -> None:
        self._is_coherent = False
        self._generation += 1

    @contextmanager
    def _bugs_logged(self) -> Iterator[None]:
        """Whatever goes wrong, the thread that watches Redis lives on."""
        try:
            yield
        except Exception:
            if not self._closed.is_set():  # else `close` took the connection away
                log.exception(Event.CACHE_FOLLOW_FAILED)

    def _probe(self) -> None:
        since = self._shared.now()
        while not self._closed.wait(PROBE_SECONDS):
            self._checked_at = time.monotonic()
            with self._bugs_logged(), suppress(StoreUnavailable):
                self._shared.check()
                self._share_what_redis_missed()
                self._is_down = False
                metrics.REDIS_DOWN.set(0)
                log.info(Event.CACHE_RECOVERED, outage_s=round(self._shared.now() - since, 1))
                return

    def _share_what_redis_missed(self) -> None:
        """What was stored here in the outage is newer than what Redis may still have."""
        while self._unshared:
            with self._lock:
                key, unshared = next(iter(self._unshared.items()))
            entry, stale_ttl, owner = unshared
            self._shared.put(key, owner, entry.body, entry.fetched_at, entry.ttl, stale_ttl)
            with self._lock:
                if self._unshared.get(key) == unshared:
                    del self._unshared[key]

    def _follow(self) -> None:
        """Keep the copy coherent, from one subscription to the next."""
        while not self._closed.is_set():
            with self._bugs_logged():
                try:
                    if not self._is_down:
                        self._follow_one_subscription()
                except StoreUnavailable:
                    # The subscription alone may have failed; if it was Redis, that is worth
                    # knowing before the next request comes.
                    self._try(self._shared.check, lambda: None)
                finally:
                    with self._lock:
                        self._distrust_copy()
            self._closed.wait(RESUBSCRIBE_SECONDS)

    def _follow_one_subscription(self) -> None:
        with self._shared.announcements() as announcements:
            with self._lock:
                if self._is_down:
                    return  # the copy is all there is now
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
