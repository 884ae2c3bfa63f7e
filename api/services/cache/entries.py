"""What a store holds: answers with their age, and the marks that failed fetches leave.

All times are the store's, in seconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final

from api.errors import UpstreamError, load_upstream_error

# The smallest step that a store's clock can tell.
TICK: Final = 0.000_001
# Clocks that are in step differ by less; what is further ahead comes from a wrong one.
CLOCK_TOLERANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer: when its fetch was begun, when it was there for others, and its life."""

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
        """The rule. Whoever was waiting when it was stored is served, however long that took."""
        return self.fetched_at >= not_before and (
            self.fetched_at + self.ttl > arrived or self.stored_at >= arrived
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """The mark of a failed fetch: its error, and for how long nobody is to try again.

    tries: how many fetches failed in a row, this one included.
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
class Granted:
    """The caller holds the lock and is to fetch; `at` is the store's time of that moment.

    tries: how many fetches have failed in a row until now.
    """

    at: float
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody else is fetching, or it is not yet time to try again."""


Turn = Entry | Failure | Granted | Waiting
WAITING: Final = Waiting()
