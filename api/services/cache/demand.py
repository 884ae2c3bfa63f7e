"""Decides which entries are fetched again before they expire: those that readers come back to.

A refresh is worth a call if somebody will read the entry soon after it would have expired. An entry
is in demand if, since it was fetched, it never went much longer than a third of its TTL without a
read. So a route that is read at regular times, at least three times a TTL, stays a hit for ever.

The readers of a route are spread over all workers, and each of them may see few. Each worker
notes in which parts of an entry's TTL it read it; that costs a hit no call. Shortly before the
entry expires the workers put their notes together in the store, unless what a worker saw alone is
enough. The worker that completes the picture refreshes the entry.
"""

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from api.services.cache.entries import Entry
from api.services.cache.requests import CacheRequest
from api.services.cache.store import Store
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# Parts of a TTL: as many bits as a script in Redis combines without a sign.
PARTS: Final = 31
# One part more than a third, because a read may be early in its part, and the next one late.
LONGEST_GAP: Final = 11
# A refresh starts at least so long before the end, or a tenth of the TTL if that is less.
MIN_LEAD_SECONDS: Final = 2.0
MAX_WATCHED: Final = 20_000

log = get_logger()


@dataclass(slots=True, eq=False)
class _Watched:
    """An entry that was hit. parts: a bit for each part of its TTL in which it was read."""

    request: CacheRequest
    entry: Entry
    parts: int = 1  # it was read when it was fetched

    def note(self, now: float) -> None:
        self.parts |= 1 << self._part(now)

    def is_in_demand(self, parts: int, now: float) -> bool:
        until_now = f"{parts | 1 << self._part(now):b}"
        return "0" * LONGEST_GAP not in until_now

    def _part(self, now: float) -> int:
        part = int((now - self.entry.fetched_at) * PARTS / self.entry.ttl)
        return min(max(part, 0), PARTS - 1)


class Demand:
    """The entries that a worker reads, each until shortly before it expires."""

    def __init__(
        self,
        store: Store,
        fetch_seconds: Callable[[], float],
        refresh: Callable[[CacheRequest, Entry], None],
    ) -> None:
        """Watch nothing yet.

        fetch_seconds: returns how long a fetch usually takes. refresh: starts one of an entry.
        """
        self._store = store
        self._fetch_seconds = fetch_seconds
        self._refresh = refresh
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._due: list[tuple[float, int, _Watched]] = []
        self._numbers = count()
        self._is_running = False
        self._earlier = threading.Event()

    def note(self, request: CacheRequest, entry: Entry, now: float) -> None:
        """Note that a fresh entry was read."""
        watched = self._watched.get(request.key)
        if watched is not None and watched.entry.fetched_at == entry.fetched_at:
            watched.note(now)
        elif len(self._watched) < MAX_WATCHED:
            self._watch(request, entry, now)

    def close(self) -> None:
        """Forget all entries, which ends the thread."""
        with self._lock:
            self._watched.clear()
            self._due.clear()
            self._earlier.set()

    def _watch(self, request: CacheRequest, entry: Entry, now: float) -> None:
        watched = _Watched(request, entry)
        watched.note(now)
        lead = min(max(MIN_LEAD_SECONDS, 2 * self._fetch_seconds()), entry.ttl / 10)
        due = entry.fetched_at + entry.ttl - lead
        with self._lock:
            self._watched[request.key] = watched
            heapq.heappush(self._due, (due, next(self._numbers), watched))
            if self._is_running:
                if self._due[0][2] is watched:
                    self._earlier.set()
                return
            self._is_running = True
        threading.Thread(target=self._run, name="refresh", daemon=True).start()

    def _run(self) -> None:
        """Decide on each entry when it is due, until none is left."""
        while True:
            with self._lock:
                if not self._due:
                    self._is_running = False
                    return
                wait = self._due[0][0] - self._store.now()
                if wait <= 0:
                    watched = heapq.heappop(self._due)[2]
                    if self._watched.get(watched.request.key) is watched:
                        del self._watched[watched.request.key]
                else:
                    earlier = self._earlier = threading.Event()
            if wait > 0:
                earlier.wait(wait)
                continue
            try:
                self._decide(watched)
            except Exception:
                log.exception(Event.CACHE_FETCH_FAILED, key=watched.request.key)

    def _decide(self, watched: _Watched) -> None:
        request, entry, now = watched.request, watched.entry, self._store.now()
        if not watched.is_in_demand(watched.parts, now):
            parts = self._store.share_reads(request.key, entry.fetched_at, watched.parts)
            if not watched.is_in_demand(parts, now):
                return
        self._refresh(request, entry)
