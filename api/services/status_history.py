"""The last minutes of an instance in numbers, kept where the metrics of its workers meet.

Every worker looks every ten seconds whether the next point is due, and whoever comes first
writes it; so it does not matter which workers live.
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
KEPT: Final = 61  # ten minutes between the first and the last
# Workers do not tick together; a point that comes this much early is not left out.
TOLERANCE_SECONDS: Final = 1.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted from the start until a moment.

    lookups: prices asked for. cache_hits: those that the cache had, stale ones included.
    upstream_needed: those that needed Amadeus. upstream_failed: those of them that got no
    answer from it. calls: calls to Amadeus. failed: those without an answer. seconds: the
    duration of all calls together.
    """

    lookups: float = 0
    cache_hits: float = 0
    upstream_needed: float = 0
    upstream_failed: float = 0
    calls: float = 0
    failed: float = 0
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Point:
    """Totals and their time, on the clock that all processes of a machine share."""

    at: float
    totals: Totals


class History:
    """Points in the order of time. Without a folder there are none."""

    def __init__(self, folder: Path | None, totals: Callable[[], Totals]) -> None:
        """`totals`: counts them, over all workers."""
        self._folder = folder
        self._totals = totals
        self._stopped = threading.Event()

    def start(self) -> None:
        """Record until `stop`, in a thread."""
        if self._folder is not None:
            threading.Thread(target=self._keep, name="history", daemon=True).start()

    def stop(self) -> None:
        """Record no more."""
        self._stopped.set()

    def points(self) -> list[Point]:
        """What was recorded."""
        if self._folder is None:
            return []
        try:
            raw = orjson.loads((self._folder / "history.json").read_bytes())
        except FileNotFoundError:
            return []
        return [Point(at, Totals(**totals)) for at, totals in raw]

    def record_if_due(self) -> None:
        """Write the next point, unless another worker has or does."""
        if self._folder is None:
            return
        with (self._folder / "history.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            points, now = self.points(), time.monotonic()
            if points and now - points[-1].at < STEP_SECONDS - TOLERANCE_SECONDS:
                return
            points = [*points, Point(now, self._totals())][-KEPT:]
            fresh = self._folder / "history.new"
            fresh.write_bytes(orjson.dumps([(point.at, asdict(point.totals)) for point in points]))
            fresh.replace(self._folder / "history.json")

    def _keep(self) -> None:
        while True:
            try:
                self.record_if_due()
            except Exception:
                log.exception(Event.HISTORY_FAILED)
            if self._stopped.wait(STEP_SECONDS):
                return
