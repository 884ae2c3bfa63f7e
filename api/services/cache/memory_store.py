"""A store in memory, for `memory://`, for the copy of Redis and for outages of Redis."""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Final

from cachetools import Cache, LRUCache

from api.services.cache.entries import (
    CLOCK_TOLERANCE_SECONDS,
    LOCK_HELD,
    Caller,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
    Turns,
)
from api.services.cache.lifetimes import BACKGROUND_PAUSE_SECONDS, DEFAULT_LIFETIMES, Lifetimes
from api.telemetry.metrics import READ_KINDS, Metrics

# Memory that a price entry and its key take in addition to the body.
_OVERHEAD_BYTES: Final = 600
# With less room than this left, a store may have dropped entries.
_ROOM_BYTES: Final = 16 * 1024
_EPOCH_OF_MONOTONIC: Final = time.time() - time.monotonic()


def steady_time() -> float:
    """Return seconds since the epoch, unaffected by changes of the wall clock."""
    return _EPOCH_OF_MONOTONIC + time.monotonic()


class MemoryStore:
    """Implements `CheckedStore` for one process; drops the least recently used entries."""

    def __init__(
        self,
        metrics: Metrics,
        max_bytes: int = 8 * 1024 * 1024,
        clock: Callable[[], float] = steady_time,
        lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    ) -> None:
        self._reads = cache(metrics.reads.labels)
        self._clock = clock
        self._lifetimes = lifetimes
        self._lock = threading.Lock()
        self._entries: LRUCache[str, tuple[Entry, float]] = LRUCache(
            max_bytes, getsizeof=lambda item: len(item[0].body) + _OVERHEAD_BYTES
        )
        self._markers: LRUCache[str, tuple[FailureMarker, float]] = LRUCache(10_000)
        self._locks: dict[str, tuple[str, float]] = {}
        # Times of the next turn and of the last call that took one.
        self._turns: LRUCache[str, tuple[float, float]] = LRUCache(10_000)
        # Of each entry, when it was fetched and the parts of its TTL in which it was read.
        self._shared_reads: LRUCache[str, tuple[float, int]] = LRUCache(10_000)

    @property
    def is_up(self) -> bool:
        """Always true."""
        return True

    @property
    def checked_ago(self) -> float:
        """Always zero."""
        return 0.0

    def start(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def now(self) -> float:
        return self._clock()

    def time(self) -> float:
        return self._clock()

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        with self._lock:
            entry = self._entry(key, self._clock(), touch=touch)
        self._count_read(key, "absent" if entry is None else "found")
        return entry

    def never_had(self, key: str) -> bool:
        """Return whether there is no entry, and none can have been dropped for lack of room."""
        if key in self._entries or self._entries.maxsize - self._entries.currsize < _ROOM_BYTES:
            return False
        self._count_read(key, "absent")
        return True

    def failure_marker(self, key: str) -> FailureMarker | None:
        with self._lock:
            return self._marker(key, self._clock())

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        with self._lock:
            now = self._clock()
            entry = self._entry(key, now)
            if entry is not None and entry.serves(caller):
                return entry
            marker = self._marker(key, now)
            if marker is not None:
                if background:
                    pause = max(marker.pause, BACKGROUND_PAUSE_SECONDS)
                    if now < marker.failed_at + pause:
                        return LOCK_HELD
                elif marker.answers(caller.arrived):
                    return marker
            # A lock that ends too late was taken before the clock was set back; ignore it.
            _, held_until = self._locks.get(key, ("", now))
            if now < held_until <= now + self._lifetimes.lock:
                return LOCK_HELD
            self._locks[key] = (owner, now + self._lifetimes.lock)
            self._extend_marker(key, now)
            return LockAcquired(now, marker.tries if marker else 0)

    def is_probably_absent(self, key: str) -> bool:
        """Always false: a look-up takes no call."""
        del key
        return False

    def claim_absent(self, key: str, owner: str, caller: Caller) -> LockAcquired | None:
        claimed = self.claim(key, owner, caller, background=False)
        return claimed if isinstance(claimed, LockAcquired) else None

    def renew(self, key: str, owner: str) -> None:
        with self._lock:
            now = self._clock()
            if self._holds(key, owner):
                self._locks[key] = (owner, now + self._lifetimes.lock)
                self._extend_marker(key, now)

    def release(self, key: str, owner: str) -> None:
        with self._lock:
            self._unlock(key, owner)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        with self._lock:
            self._unlock(key, owner)
            self._markers.pop(key, None)
            entry = Entry(body, fetched_at, self._clock(), ttl)
            return self._keep(key, entry, stale_ttl)

    def clear(self) -> None:
        """Delete all entries and failure markers; keep the locks."""
        with self._lock:
            self._entries.clear()
            self._markers.clear()

    def keep(self, key: str, entry: Entry, stale_ttl: float) -> Entry:
        """Add an entry of another store unless a newer one exists; return the newer one."""
        with self._lock:
            return self._keep(key, entry, stale_ttl)

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        with self._lock:
            self._unlock(key, owner)
            now = self._clock()
            marker = FailureMarker(body, now, pause, tries)
            self._markers[key] = (marker, now + self._lifetimes.marker_after(pause))
            return marker

    def drop(self, key: str, fetched_at: float) -> None:
        with self._lock:
            entry = self._entry(key, self._clock())
            if entry is not None and entry.fetched_at == fetched_at:
                del self._entries[key]

    def take_turns(
        self,
        key: str,
        interval: float,
        max_wait: float,
        worker_count: int,
        count: int = 1,
        returned: int = 0,
    ) -> Turns:
        """Take turns as `Store` says; each worker's turns are `worker_count` intervals apart."""
        spacing = interval * worker_count
        with self._lock:
            now = self._clock()
            next_turn, taken_at = self._turns.get(key, (0.0, 0.0))
            # Ignore a turn that was taken before the clock was set back.
            is_valid = taken_at <= now + CLOCK_TOLERANCE_SECONDS
            turn = max(now, next_turn - returned * spacing) if is_valid else now
            in_time = 1 + int((max_wait - (turn - now)) / spacing) if turn - now <= max_wait else 0
            taken = min(count, in_time)
            if taken or returned:
                self._turns[key] = (turn + taken * spacing, now)
            return Turns(turn - now, spacing, taken)

    def share_reads(self, key: str, fetched_at: float, parts: int) -> int:
        with self._lock:
            of, others = self._shared_reads.get(key, (fetched_at, 0))
            all_parts = parts | others if of == fetched_at else parts
            self._shared_reads[key] = (fetched_at, all_parts)
            return all_parts

    def _count_read(self, key: str, result: str) -> None:
        kind = key.partition("|")[0]
        if kind in READ_KINDS:
            self._reads("process", kind, result).inc()

    def _entry(self, key: str, now: float, *, touch: bool = True) -> Entry | None:
        if touch or key not in self._entries:
            found = self._entries.get(key)
        else:
            found = Cache.__getitem__(self._entries, key)  # LRUCache would count it as a use
        if found is None:
            return None
        entry, expires = found
        if now >= expires or entry.fetched_at > now + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def _marker(self, key: str, now: float) -> FailureMarker | None:
        marker, expires = self._markers.get(key, (None, 0.0))
        if marker is None or now >= expires or marker.failed_at > now + CLOCK_TOLERANCE_SECONDS:
            return None
        return marker

    def _extend_marker(self, key: str, now: float) -> None:
        """Keep the marker during a retry, so that stale entries are served meanwhile."""
        marker, expires = self._markers.get(key, (None, 0.0))
        if marker is not None and now < expires:
            self._markers[key] = (marker, max(expires, now + self._lifetimes.marker))

    def _keep(self, key: str, entry: Entry, stale_ttl: float) -> Entry:
        now = self._clock()
        present = self._entry(key, now)
        if present is not None and present.fetched_at > entry.fetched_at:
            return present
        expires = max(entry.fetched_at + entry.ttl + stale_ttl, now + self._lifetimes.handover)
        self._entries[key] = (entry, expires)
        return entry

    def _holds(self, key: str, owner: str) -> bool:
        return key in self._locks and self._locks[key][0] == owner

    def _unlock(self, key: str, owner: str) -> None:
        if self._holds(key, owner):
            del self._locks[key]
