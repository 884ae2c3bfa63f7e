"""The interface of the stores: in memory, in Redis, and both in layers."""

from typing import Protocol

from api.services.cache.entries import Caller, Claim, Entry, FailureMarker, LockAcquired, Turns


class Store(Protocol):
    """Holds entries, locks, failure markers and turns. Each call is atomic."""

    def now(self) -> float:
        """Return the store's time without a call; it may be off by a few milliseconds."""

    def time(self) -> float:
        """Ask the store for its time."""

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        """Return the entry, fresh or stale. Ignore an entry from the future.

        touch: whether a store that drops its least recently used entries counts this as a use.
        """

    def failure_marker(self, key: str) -> FailureMarker | None:
        """Return the failure marker unless it has expired. Ignore one from the future."""

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        """Return an entry or a failure marker that answers the caller; otherwise take the lock.

        Return `LockHeld` if another owner has the lock. A `background` caller gets no failure
        marker: it gets `LockHeld` until the pause, of at least a second, is over. Taking the
        lock extends the failure marker's life, if there is one.
        """

    def is_probably_absent(self, key: str) -> bool:
        """Return whether a look-up takes a call, and would probably find nothing."""

    def claim_absent(self, key: str, owner: str, caller: Caller) -> LockAcquired | None:
        """Take the lock as `claim` does, in place of a look-up. Return None if it is not given."""

    def renew(self, key: str, owner: str) -> None:
        """Extend the lock's life, and the failure marker's if there is one."""

    def release(self, key: str, owner: str) -> None:
        """Release the lock without an outcome."""

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        """Release the lock, store the entry unless a newer one exists, return the newer one."""

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        """Release the lock and store a failure marker."""

    def drop(self, key: str, fetched_at: float) -> None:
        """Delete the entry if it was fetched at that time."""

    def take_turns(
        self,
        key: str,
        interval: float,
        max_wait: float,
        worker_count: int,
        count: int = 1,
        returned: int = 0,
    ) -> Turns:
        """Take the next `count` turns, or as many of them as come within `max_wait` seconds.

        Turns are `interval` seconds apart for all workers together. A store that its workers do
        not share gives each of `worker_count` workers its part. No turn comes within a `max_wait`
        below zero, so such a call only looks.

        returned: number of turns taken before and not used; others can have them.
        """

    def share_reads(self, key: str, fetched_at: float, parts: int) -> int:
        """Add to what all workers know of the reads of an entry; return all of it.

        parts: a bit for each part of the entry's TTL in which this worker read it, less than 2**31.
        """


class CheckedStore(Store, Protocol):
    """A store that is started, checked and closed."""

    @property
    def is_up(self) -> bool:
        """Whether the store works."""

    @property
    def checked_ago(self) -> float:
        """Seconds since the last check."""

    def start(self) -> None:
        """Connect, and start the store's threads."""

    def close(self) -> None:
        """Close the store's connections."""
