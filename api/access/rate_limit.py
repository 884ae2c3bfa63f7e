"""Rate limits of clients, shared by all workers and replicas."""

import math
from dataclasses import dataclass
from typing import Final

from api.services.cache.store import Store

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """How much of a rate limit a client has left after a request.

    reset: seconds until the whole limit is available again. retry_after: seconds until the next
    request is accepted; None if this request was accepted.
    """

    remaining: int
    reset: int
    retry_after: float | None


class ClientRateLimit:
    """A number of requests per minute for each client, which may come in one burst.

    The algorithm is GCRA: each request takes the next of evenly spaced slots. A request is
    accepted if its slot is less than one minute ahead.
    """

    def __init__(self, store: Store, name: str, per_minute: int, workers: int) -> None:
        """workers: number of workers that divide the limit among them if they share no store."""
        self.name = name
        self.per_minute = per_minute
        self._store = store
        self._workers = workers
        self._interval = WINDOW_SECONDS / per_minute
        # A tenth of a slot more than the count requires, to allow for rounding of clocks.
        self._max_wait = (per_minute - 0.9) * self._interval

    def consume(self, client: str) -> RateLimitResult:
        """Count a request of this client. A rejected request does not count."""
        wait, spacing = self._store.take_turn(
            f"limit|{self.name}|{client}", self._interval, self._max_wait, self._workers
        )
        if wait > self._max_wait:
            return RateLimitResult(0, math.ceil(wait), wait - self._max_wait)
        remaining = int((self._max_wait - wait) / spacing)
        return RateLimitResult(remaining, math.ceil(wait + spacing), None)
