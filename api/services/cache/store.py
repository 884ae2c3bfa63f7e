"""What the service asks of a store: of the one in memory, of Redis, and of both in layers."""

from typing import Protocol

from api.services.cache.entries import Claim, Entry, FailureMarker


class Store(Protocol):
    """Where entries, locks, failure markers and turns are. Each call is atomic."""

    def now(self) -> float:
        """The store's time as far as it is known here; good to a few milliseconds."""

    def time(self) -> float:
        """The store's time, asked for."""

    def get(self, key: str) -> Entry | None:
        """The entry, fresh or stale; one from the future counts as absent."""

    def failure_marker(self, key: str) -> FailureMarker | None:
        """The failure marker, until it expires; one from the future counts as absent."""

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Claim:
        """An entry that serves the caller, a failure that answers it, or the lock if it is free.

        In the background nobody waits for the outcome: a failure is no answer, and refuses the
        lock for a second at least. A marker that exists when the lock is given gets its full life
        again.
        """

    def renew(self, key: str, owner: str) -> None:
        """Give the lock, and a failure marker that exists, their full life again."""

    def release(self, key: str, owner: str) -> None:
        """Give the lock back without an outcome."""

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        """Store unless what is there is newer, give the lock back, and return what is there."""

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        """Leave a failure marker and give the lock back."""

    def drop(self, key: str, fetched_at: float) -> None:
        """Delete the entry if it is the one of that time."""

    def take_turn(
        self, key: str, interval: float, max_wait: float, worker_count: int
    ) -> tuple[float, float]:
        """Seconds to wait for the next turn, and from that to the one after it.

        None is taken if the wait is more than `max_wait`.
        """


class CheckedStore(Store, Protocol):
    """A store that has a beginning and an end, and shows whether it works."""

    @property
    def is_up(self) -> bool:
        """Whether it is in use."""

    @property
    def checked_ago(self) -> float:
        """Seconds since it last showed that."""

    def start(self) -> None:
        """Reach for it, and start the threads that it needs."""

    def close(self) -> None:
        """Give its connections back."""
