"""What a store holds: entries with their age, and the failure markers of failed fetches.

All times are the store's, in seconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final

from api.errors import UpstreamError, load_upstream_error

# The smallest step that a store's clock can tell.
CLOCK_RESOLUTION_SECONDS: Final = 0.000_001
# Clocks that are in step differ by less; what is further ahead comes from a wrong one.
CLOCK_TOLERANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached answer: when its fetch started, when it was stored, and its time to live."""

    body: bytes
    fetched_at: float
    stored_at: float
    ttl: float

    def is_fresh(self, now: float) -> bool:
        """Whether it may be served to somebody who arrives `now`.

        One from the future comes from a clock that was wrong, and its age cannot be told.
        """
        return now - self.ttl < self.fetched_at <= now + CLOCK_TOLERANCE_SECONDS

    def serves(self, not_before: float, arrived: float) -> bool:
        """The rule. A caller that was waiting when the entry was stored is served, too."""
        return self.fetched_at >= not_before and (
            self.fetched_at + self.ttl > arrived or self.stored_at >= arrived
        )


@dataclass(frozen=True, slots=True)
class FailureMarker:
    """The record of a failed fetch: its error, and for how long nobody tries again.

    tries: number of consecutive failed fetches, this one included.
    """

    body: bytes
    failed_at: float
    pause: float
    tries: int

    def answers(self, arrived: float) -> bool:
        """Whether a caller who arrived then gets this error instead of a fetch of its own."""
        return arrived <= self.failed_at + self.pause

    def error(self, now: float) -> UpstreamError:
        """The error to raise in the place of an answer; it tells what is left of its pause, or
        of a longer one that it told of itself.
        """
        error = load_upstream_error(self.body)
        wait = max(self.pause, error.retry_after or 0.0)
        if wait:
            error.retry_after = self.failed_at + wait - now
        return error


@dataclass(frozen=True, slots=True)
class LockAcquired:
    """The caller holds the lock and is to fetch; `at` is the store's time of that moment.

    tries: how many fetches have failed in a row until now.
    """

    at: float
    tries: int


@dataclass(frozen=True, slots=True)
class LockHeld:
    """Somebody else is fetching, or it is not yet time to try again."""


Claim = Entry | FailureMarker | LockAcquired | LockHeld
LOCK_HELD: Final = LockHeld()
