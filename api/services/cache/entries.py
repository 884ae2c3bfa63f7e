"""What a store holds: entries, failure markers and turns.

All times are on the store's clock, in seconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from api.errors import UpstreamError, load_upstream_error

# Stores keep times in whole microseconds.
CLOCK_RESOLUTION_SECONDS: Final = 0.000_001
# Synchronized clocks differ by less. A time further ahead comes from a wrong clock.
CLOCK_TOLERANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Caller:
    """What a caller accepts; see the rule in `read_through`.

    arrived: when it called. not_before: the earliest fetch that it accepts.
    stale_ttl: seconds after its TTL for which an entry with a body still serves it.
    """

    arrived: float
    not_before: float = 0.0
    stale_ttl: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached answer. fetched_at: start of its fetch. ttl: seconds from then.

    The body is empty if the upstream has nothing.
    """

    body: bytes
    fetched_at: float
    stored_at: float
    ttl: float

    def is_fresh(self, now: float) -> bool:
        """Return whether the entry may be served at `now`.

        An entry from the future is not fresh: a wrong clock dated it, so its age is unknown.
        """
        return now - self.ttl < self.fetched_at <= now + CLOCK_TOLERANCE_SECONDS

    def seconds_left(self, age: float, max_age: float | None) -> float:
        """Return for how long the entry serves at this age. max_age: replaces the TTL of a body."""
        return (self.ttl if max_age is None or not self.body else max_age) - age

    def serves(self, caller: Caller) -> bool:
        """Return whether the entry serves a caller; see the rule in `read_through`."""
        ttl = self.ttl + caller.stale_ttl if self.body else self.ttl
        return self.fetched_at >= caller.not_before and (
            self.fetched_at + ttl > caller.arrived or self.stored_at >= caller.arrived
        )


@dataclass(frozen=True, slots=True)
class FailureMarker:
    """The short-lived record of a failed fetch.

    body: the error, as `dump_upstream_error` writes it.
    pause: seconds until the next fetch is allowed.
    tries: number of consecutive failed fetches, including this one.
    """

    body: bytes
    failed_at: float
    pause: float
    tries: int

    def answers(self, arrived: float) -> bool:
        """Return whether a caller that arrived then gets this error instead of a fetch."""
        return arrived <= self.failed_at + self.pause

    def error(self, now: float) -> UpstreamError:
        """Return the error to raise. Its `retry_after` is the time left until the next try."""
        error = load_upstream_error(self.body)
        wait = max(self.pause, error.retry_after or 0.0)
        if wait:
            error.retry_after = self.failed_at + wait - now
        return error


@dataclass(frozen=True, slots=True)
class LockAcquired:
    """The caller holds the lock and must fetch.

    at: time at which the lock was given.
    tries: number of consecutive failed fetches so far.
    """

    at: float
    tries: int


@dataclass(frozen=True, slots=True)
class LockHeld:
    """Another caller is fetching, or the pause after a failure is not over."""


class Turns(NamedTuple):
    """Turns that a caller was given.

    wait: seconds until the first of them, or until the next one if none was given.
    spacing: seconds from one turn of this caller's store to the next.
    taken: how many were given.
    """

    wait: float
    spacing: float
    taken: int


Claim = Entry | FailureMarker | LockAcquired | LockHeld
LOCK_HELD: Final = LockHeld()
