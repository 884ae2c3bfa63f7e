"""Rate limits of clients, counted by the whole fleet."""

import math
from dataclasses import dataclass
from typing import Final

from api.services.cache.store import Store

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """What a client has left after a request.

    reset: seconds until the whole limit is available again. retry_after: seconds until it may ask
    again; None if this request was granted.
    """

    remaining: int
    reset: int
    retry_after: float | None


class ClientRateLimit:
    """So many requests a minute and client: all at once if it likes, then one by one.

    This is GCRA. Each request takes the next of evenly spaced turns, and is granted although its
    turn has not come while that is less than a minute's turns ahead.
    """

    def __init__(self, store: Store, name: str, per_minute: int, workers: int) -> None:
        """workers: number of workers that share the limit where they cannot see each other."""
        self.name = name
        self.per_minute = per_minute
        self._store = store
        self._workers = workers
        self._interval = WINDOW_SECONDS / per_minute
        # A tenth of a turn more than the count says, which rounded clocks would cut short.
        self._max_wait = (per_minute - 0.9) * self._interval

    def consume(self, client: str) -> RateLimitResult:
        """Count a request of this client; one that is not granted does not count."""
        wait, spacing = self._store.take_turn(
            f"limit|{self.name}|{client}", self._interval, self._max_wait, self._workers
        )
        if wait > self._max_wait:
            return RateLimitResult(0, math.ceil(wait), wait - self._max_wait)
        remaining = int((self._max_wait - wait) / spacing)
        return RateLimitResult(remaining, math.ceil(wait + spacing), None)
