"""A store in the process: all of `memory://`, and what is left when Redis is gone."""

import threading
import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from api.services.cache.entries import (
    CLOCK_TOLERANCE_SECONDS,
    LOCK_HELD,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
)
from api.services.cache.lifetimes import (
    BACKGROUND_PAUSE_SECONDS,
    HANDOVER_SECONDS,
    LOCK_SECONDS,
    MARKER_SECONDS,
    marker_seconds,
)
from api.telemetry import metrics

# What an entry of a price takes beside its body, its key included.
_OVERHEAD_BYTES: Final = 600
_EPOCH_OF_MONOTONIC: Final = time.time() - time.monotonic()


def steady_time() -> float:
    """Seconds since the epoch that no step of the wall clock moves."""
    return _EPOCH_OF_MONOTONIC + time.monotonic()


class MemoryStore:
    """Implements `Store` for one process, bounded in bytes; the oldest unread go first."""

    def __init__(
        self, max_bytes: int = 8 * 1024 * 1024, clock: Callable[[], float] = steady_time
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: LRUCache[str, tuple[Entry, float]] = LRUCache(
            max_bytes, getsizeof=lambda item: len(item[0].body) + _OVERHEAD_BYTES
        )
        self._markers: LRUCache[str, tuple[FailureMarker, float]] = LRUCache(10_000)
        self._locks: dict[str, tuple[str, float]] = {}
        # When the next turn is and when the last one was given.
        self._turns: LRUCache[str, tuple[float, float]] = LRUCache(10_000)

    @property
    def is_up(self) -> bool:
        """Always."""
        return True

    @property
    def checked_ago(self) -> float:
        """It needs no checking."""
        return 0.0

    def start(self) -> None:
        """Nothing has to be reached."""

    def close(self) -> None:
        """Nothing is open."""

    def now(self) -> float:
        return self._clock()

    def time(self) -> float:
        return self._clock()

    def get(self, key: str) -> Entry | None:
        with self._lock:
            entry = self._entry(key, self._clock())
        metrics.reads("process", key.partition("|")[0], found=entry is not None).inc()
        return entry

    def failure_marker(self, key: str) -> FailureMarker | None:
        with self._lock:
            return self._marker(key, self._clock())

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Claim:
        with self._lock:
            now = self._clock()
            entry = self._entry(key, now)
            if entry is not None and entry.serves(not_before, arrived):
                return entry
            marker = self._marker(key, now)
            if marker is not None:
                if background:
                    pause = max(marker.pause, BACKGROUND_PAUSE_SECONDS)
                    if now < marker.failed_at + pause:
                        return LOCK_HELD
                elif marker.answers(arrived):
                    return marker
            # One that ends later than any lock does is from before the clock was set back.
            _, held_until = self._locks.get(key, ("", now))
            if now < held_until <= now + LOCK_SECONDS:
                return LOCK_HELD
            self._locks[key] = (owner, now + LOCK_SECONDS)
            self._keep_marker(key, now)
            return LockAcquired(now, marker.tries if marker else 0)

    def renew(self, key: str, owner: str) -> None:
        with self._lock:
            now = self._clock()
            if self._holds(key, owner):
                self._locks[key] = (owner, now + LOCK_SECONDS)
                self._keep_marker(key, now)

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
        """Forget every entry and failure marker; locks stay."""
        with self._lock:
            self._entries.clear()
            self._markers.clear()

    def keep(self, key: str, entry: Entry, stale_ttl: float) -> Entry:
        """Take over an entry of another store unless the one here is newer."""
        with self._lock:
            return self._keep(key, entry, stale_ttl)

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        with self._lock:
            self._unlock(key, owner)
            now = self._clock()
            marker = FailureMarker(body, now, pause, tries)
            self._markers[key] = (marker, now + marker_seconds(pause))
            return marker

    def drop(self, key: str, fetched_at: float) -> None:
        with self._lock:
            entry = self._entry(key, self._clock())
            if entry is not None and entry.fetched_at == fetched_at:
                del self._entries[key]

    def take_turn(
        self, key: str, interval: float, max_wait: float, worker_count: int
    ) -> tuple[float, float]:
        """As in `Store`: turns are `interval` times `worker_count` apart."""
        spacing = interval * worker_count
        with self._lock:
            now = self._clock()
            next_turn, given_at = self._turns.get(key, (0.0, 0.0))
            # One that was given in the future is from before the clock was set back.
            counts = given_at <= now + CLOCK_TOLERANCE_SECONDS
            turn = max(now, next_turn) if counts else now
            if turn - now <= max_wait:
                self._turns[key] = (turn + spacing, now)
            return turn - now, spacing

    def _entry(self, key: str, now: float) -> Entry | None:
        entry, expires = self._entries.get(key, (None, 0.0))
        if entry is None or now >= expires or entry.fetched_at > now + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def _marker(self, key: str, now: float) -> FailureMarker | None:
        marker, expires = self._markers.get(key, (None, 0.0))
        if marker is None or now >= expires or marker.failed_at > now + CLOCK_TOLERANCE_SECONDS:
            return None
        return marker

    def _keep_marker(self, key: str, now: float) -> None:
        """Keep the failure marker alive while somebody retries, so that nobody waits for it."""
        marker, expires = self._markers.get(key, (None, 0.0))
        if marker is not None and now < expires:
            self._markers[key] = (marker, max(expires, now + MARKER_SECONDS))

    def _keep(self, key: str, entry: Entry, stale_ttl: float) -> Entry:
        now = self._clock()
        present = self._entry(key, now)
        if present is not None and present.fetched_at > entry.fetched_at:
            return present
        expires = max(entry.fetched_at + entry.ttl + stale_ttl, now + HANDOVER_SECONDS)
        self._entries[key] = (entry, expires)
        return entry

    def _holds(self, key: str, owner: str) -> bool:
        return key in self._locks and self._locks[key][0] == owner

    def _unlock(self, key: str, owner: str) -> None:
        if self._holds(key, owner):
            del self._locks[key]
