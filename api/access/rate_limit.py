"""Rate limits of clients, shared by all workers and replicas.

The algorithm is GCRA: each request takes the next of evenly spaced turns, and is accepted if that
turn is less than one minute ahead.

Where the limit is large, a worker takes several turns at once and uses them for the next requests
of the client, so that not each of them asks the store. It uses a turn at most BATCH_SECONDS late.
To make up for that, the turns of such a limit must be so much less than a minute ahead, and so all
workers together never accept more than the limit. A worker returns the turns that it did not use
when it asks again. Until then they are lost to the client, so they are few: see MAX_UNUSED.
"""

import math
import threading
from dataclasses import dataclass
from typing import Final, NamedTuple

from cachetools import LRUCache

from api.services.cache.store import Store

WINDOW_SECONDS: Final = 60
BATCH_SECONDS: Final = 0.25
# Of a limit, the part that all workers of a replica together hold unused at most.
MAX_UNUSED: Final = 0.005
# How long before the last turn is over a worker may still return turns. Those that other workers
# return make it come sooner.
RETURN_SECONDS: Final = 1.0
MAX_CLIENTS: Final = 10_000


class RateLimitResult(NamedTuple):
    """How much of a rate limit a client has left after a request.

    reset: seconds until the whole limit is available again. retry_after: seconds until the next
    request is accepted; None if this request was accepted.
    """

    remaining: int
    reset: int
    retry_after: float | None


@dataclass(slots=True)
class _Batch:
    """The turns that this worker has taken for a client, and may use until `expires`.

    size: how many were asked for. left: how many are unused. next_turn: the one after them.
    """

    size: int = 1
    left: int = 0
    expires: float = 0.0
    next_turn: float = 0.0
    spacing: float = 0.0
    is_asked_for: bool = False

    def use(self, now: float) -> float | None:
        """Use a turn if one is left. Return the seconds until that turn."""
        if not self.left or now >= self.expires:
            return None
        wait = self.next_turn - self.left * self.spacing - now
        self.left -= 1
        return max(0.0, wait)

    def ask(self, now: float, largest: int) -> int:
        """Return the number of turns that go back, and set the size of the next batch.

        It is twice the last one if that was used up in time, else what was used of it.
        """
        unused, self.left = self.left, 0
        is_used_up = not unused and now < self.expires
        self.size = min(largest, 2 * self.size) if is_used_up else max(1, self.size - unused)
        self.expires = now + BATCH_SECONDS
        # Once all turns are over, the client has its whole limit again, and nothing to get back.
        return unused if now < self.next_turn - RETURN_SECONDS else 0


class ClientRateLimit:
    """A number of requests per minute for each client, which may come in one burst."""

    def __init__(self, store: Store, name: str, per_minute: int, workers: int) -> None:
        """workers: number of workers that divide the limit among them if they share no store."""
        self.name = name
        self.per_minute = per_minute
        self.policy = f'"{name}";q={per_minute};w={WINDOW_SECONDS}'  # as RateLimit-Policy says it
        self._store = store
        self._workers = workers
        self._interval = WINDOW_SECONDS / per_minute
        self._largest = max(1, int(per_minute * MAX_UNUSED / workers))
        # A tenth of a turn more than the count requires, to allow for rounding of clocks.
        self._max_wait = (per_minute - 0.9) * self._interval
        if self._largest > 1:
            self._max_wait -= BATCH_SECONDS
        self._lock = threading.Lock()
        self._batches: LRUCache[str, _Batch] = LRUCache(MAX_CLIENTS)

    def consume(self, client: str) -> RateLimitResult:
        """Count a request of this client. A rejected request does not count."""
        now = self._store.now()
        with self._lock:
            batch = self._batches.get(client)
            if batch is None:
                batch = self._batches[client] = _Batch()
            wait = batch.use(now)
            if wait is not None:
                return self._accepted(wait, batch.spacing)
            # Only one request at a time asks for a batch; the others ask for themselves.
            is_for_all = not batch.is_asked_for
            returned, count = 0, 1
            if is_for_all:
                batch.is_asked_for = True
                returned = batch.ask(now, self._largest)
                count = batch.size
        try:
            turns = self._store.take_turns(
                f"limit|{self.name}|{client}",
                self._interval,
                self._max_wait,
                self._workers,
                count,
                returned,
            )
        finally:
            if is_for_all:
                batch.is_asked_for = False
        if not turns.taken:
            return RateLimitResult(0, math.ceil(turns.wait), turns.wait - self._max_wait)
        with self._lock:
            unused_before = batch.left
            batch.left += turns.taken - 1
            batch.next_turn = self._store.now() + turns.wait + turns.taken * turns.spacing
            batch.spacing = turns.spacing
        # The turns that this worker has not used come before this one in the store.
        return self._accepted(max(0.0, turns.wait - unused_before * turns.spacing), turns.spacing)

    def _accepted(self, wait: float, spacing: float) -> RateLimitResult:
        remaining = int((self._max_wait - wait) / spacing)
        return RateLimitResult(remaining, math.ceil(wait + spacing), None)
