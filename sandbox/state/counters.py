"""The counters that `GET /admin/counters` shows."""

import threading
from collections import Counter
from typing import Any

from sandbox.documented import Leg

# Limits the memory of a long soak test. Further searches are counted as "other".
_MAX_SEARCHES = 10_000
_LEGS: tuple[Leg, ...] = ("token", "search")


class Counters:
    """Counters of calls, errors and connections. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._active = 0
        self._reset()

    def _reset(self) -> None:
        self._calls: Counter[Leg] = Counter()
        self._refused: Counter[Leg] = Counter()
        self._codes: Counter[str] = Counter()
        self._searches: Counter[str] = Counter()
        self._opened = 0
        self._max_concurrent = self._active

    def clear(self) -> None:
        """Reset the counters, except those of open connections and active requests."""
        with self._lock:
            self._reset()

    def started(self, leg: Leg, search: str | None = None) -> None:
        """Count a request to an endpoint; `search` is its ORIGIN-DESTINATION-DATE."""
        with self._lock:
            self._calls[leg] += 1
            if search is not None:
                known = search in self._searches or len(self._searches) < _MAX_SEARCHES
                self._searches[search if known else "other"] += 1
            self._active += 1
            self._max_concurrent = max(self._max_concurrent, self._active)

    def finished(self) -> None:
        """Count the end of a request, with or without an answer."""
        with self._lock:
            self._active -= 1

    def refused(self, leg: Leg, codes: list[str]) -> None:
        """Count a request that was answered with an error and its codes."""
        with self._lock:
            self._refused[leg] += 1
            self._codes.update(codes)

    def connected(self) -> None:
        """Count a connection. Call this at its first token or search request."""
        with self._lock:
            self._opened += 1
            self._open += 1

    def disconnected(self) -> None:
        """Count the end of a counted connection."""
        with self._lock:
            self._open -= 1

    def snapshot(self) -> dict[str, Any]:
        """Return all counters as `GET /admin/counters` shows them."""
        with self._lock:
            legs: dict[str, Any] = {
                leg: {"calls": self._calls[leg], "refused": self._refused[leg]} for leg in _LEGS
            }
            legs["search"]["by_search"] = dict(self._searches)
            return {
                **legs,
                "connections": {"opened": self._opened, "open": self._open},
                "refusals": dict(self._codes),
                "max_concurrent": self._max_concurrent,
            }
