"""The totals of the last ten minutes, in a file that all workers of an instance share.

Each worker checks every ten seconds whether the next point is due, and the first one writes it.
So no point is missing when a worker ends.
"""

import fcntl
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from api.telemetry.events import Event
from api.telemetry.logs import get_logger

STEP_SECONDS: Final = 10.0
MAX_POINTS: Final = 61  # ten minutes from the first to the last
# The workers' timers are not synchronized, so accept a point that comes this much early.
TOLERANCE_SECONDS: Final = 1.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the start of the instance.

    lookups: price queries.
    calendar_days: days of calendars that were known, or fetched.
    cache_hits: price queries answered from the cache, including stale answers.
    upstream_needed: price queries that needed Amadeus.
    upstream_failed: those of them that got no answer from Amadeus.
    calls: calls to Amadeus.
    failed: calls without an answer.
    seconds: total duration of all calls.
    provider_calls: calls of the bridge to its provider.
    """

    lookups: float = 0
    calendar_days: float = 0
    cache_hits: float = 0
    upstream_needed: float = 0
    upstream_failed: float = 0
    calls: float = 0
    failed: float = 0
    seconds: float = 0
    provider_calls: float = 0


@dataclass(frozen=True, slots=True)
class Point:
    """Totals, and their time on the machine's monotonic clock."""

    at: float
    totals: Totals


class History:
    """The recorded points, oldest first. Without a folder nothing is recorded."""

    def __init__(
        self,
        folder: Path | None,
        totals: Callable[[], Totals],
        *,
        step_seconds: float = STEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the history. totals: returns the present totals of all workers."""
        self._folder = folder
        self._totals = totals
        self._step_seconds = step_seconds
        self._clock = clock
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start a thread that records until `stop`."""
        if self._folder is not None:
            threading.Thread(target=self._record, name="history", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def points(self) -> list[Point]:
        """Return the recorded points."""
        if self._folder is None:
            return []
        try:
            raw = orjson.loads((self._folder / "history.json").read_bytes())
        except FileNotFoundError:
            return []
        return [Point(at, Totals(**totals)) for at, totals in raw]

    def record_if_due(self) -> None:
        """Write the next point if it is due and no other worker is writing it."""
        if self._folder is None:
            return
        with (self._folder / "history.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            points, now = self.points(), self._clock()
            if points and now - points[-1].at < self._step_seconds - TOLERANCE_SECONDS:
                return
            points = [*points, Point(now, self._totals())][-MAX_POINTS:]
            fresh = self._folder / "history.new"
            fresh.write_bytes(orjson.dumps([(point.at, asdict(point.totals)) for point in points]))
            fresh.replace(self._folder / "history.json")

    def _record(self) -> None:
        while True:
            try:
                self.record_if_due()
            except Exception:
                log.exception(Event.HISTORY_FAILED)
            if self._stopped.wait(self._step_seconds):
                return
