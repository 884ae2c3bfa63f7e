"""What the sandbox has seen so far: the numbers behind `GET /admin/counters`."""

import threading
from collections import Counter
from typing import Any

from sandbox.errors import Leg

# So that a long soak cannot fill the memory; what comes later is counted under "other".
_MAX_SEARCHES = 10_000
_LEGS: tuple[Leg, ...] = ("token", "search")


class Counters:
    """Counts calls, refusals and connections. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._active = 0
        self._zero()

    def _zero(self) -> None:
        self._calls: Counter[Leg] = Counter()
        self._refused: Counter[Leg] = Counter()
        self._codes: Counter[str] = Counter()
        self._searches: Counter[str] = Counter()
        self._opened = 0
        self._most = self._active

    def clear(self) -> None:
        """Start again from zero; what is open or in progress stays known."""
        with self._lock:
            self._zero()

    def started(self, leg: Leg, search: str | None = None) -> None:
        """A request has reached this leg; `search` is its ORIGIN-DESTINATION-DATE."""
        with self._lock:
            self._calls[leg] += 1
            if search is not None:
                known = search in self._searches or len(self._searches) < _MAX_SEARCHES
                self._searches[search if known else "other"] += 1
            self._active += 1
            self._most = max(self._most, self._active)

    def finished(self) -> None:
        """A request that had started has its answer, or never will."""
        with self._lock:
            self._active -= 1

    def refused(self, leg: Leg, codes: list[str]) -> None:
        """A request was answered with an error that carries these codes."""
        with self._lock:
            self._refused[leg] += 1
            self._codes.update(codes)

    def connected(self) -> None:
        """A connection has carried its first token or search request."""
        with self._lock:
            self._opened += 1
            self._open += 1

    def disconnected(self) -> None:
        """A counted connection is gone."""
        with self._lock:
            self._open -= 1

    def snapshot(self) -> dict[str, Any]:
        """All numbers, as `GET /admin/counters` shows them."""
        with self._lock:
            legs: dict[str, Any] = {
                leg: {"calls": self._calls[leg], "refused": self._refused[leg]} for leg in _LEGS
            }
            legs["search"]["by_search"] = dict(self._searches)
            return {
                **legs,
                "connections": {"opened": self._opened, "open": self._open},
                "refusals": dict(self._codes),
                "max_concurrent": self._most,
            }
