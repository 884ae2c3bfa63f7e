"""The rate limits and the monthly quota of Amadeus (developer guides, API rate limits).

Each client has its own limit. Test allows 10 searches a second, at least 100 ms apart; this needs
only a rule for the interval. Production allows 40 in any second. A rejected call does not count. An
interval includes its last instant, so a client that stays a few percent below the limit is never
rejected.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from protocol.errors import AmadeusError
from sandbox.config import RateLimit


class _Rule(NamedTuple):
    """At most `max_searches` in any interval of so many seconds."""

    max_searches: int
    seconds: float


_RULES: dict[RateLimit, _Rule] = {"test": _Rule(1, 0.1), "production": _Rule(40, 1.0)}
_MAX_CLIENTS = 10_000


class Limits:
    """The rate limit and the quota of searches. Safe to share between threads."""

    def __init__(
        self,
        rate_limit: RateLimit,
        quota: int | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate_limit: RateLimit = rate_limit
        self.quota = quota
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._recent: dict[str, deque[float]] = {}
        self._month: tuple[int, int] = (0, 0)
        self._used = 0

    def admit(self, client_id: str) -> None:
        """Count one search of this client.

        Raises AmadeusError 38194 if the rate limit is exceeded, 38195 if the quota is used up.
        """
        with self._lock:
            self._admit_rate(client_id)
            self._admit_quota()

    def reset_quota(self) -> None:
        """Start the month's count of searches again."""
        with self._lock:
            self._used = 0

    def _admit_rate(self, client_id: str) -> None:
        rule = _RULES.get(self.rate_limit)
        if rule is None:
            return
        now = self._monotonic()
        if client_id not in self._recent and len(self._recent) >= _MAX_CLIENTS:
            self._recent.clear()
        recent = self._recent.setdefault(client_id, deque())
        while recent and now - recent[0] > rule.seconds:
            recent.popleft()
        if len(recent) >= rule.max_searches:
            raise AmadeusError(38194)
        recent.append(now)

    def _admit_quota(self) -> None:
        today = time.gmtime(self._clock())
        month = (today.tm_year, today.tm_mon)
        if month != self._month:
            self._month, self._used = month, 0
        if self.quota is not None and self._used >= self.quota:
            raise AmadeusError(38195)
        self._used += 1
