"""The upstream's rate limit and quota, kept by the whole fleet."""

import time
from typing import Final

from api.errors import AmadeusQuota, AmadeusUnavailable, dump_upstream_error
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# Up to this rate Amadeus keeps calls apart: ten a second are each to come 100 ms after the last.
# It counts a higher rate over a whole second.
MAX_RATE_APART: Final = 10.0
# What a busy worker may be late with a call.
LATENESS_SECONDS: Final = 0.02

log = get_logger()


def interval(calls_per_second: float) -> float:
    """Seconds from one turn to the next, which are more than the limit asks for.

    Amadeus counts when a call arrives, not when it was sent, so one that is late comes too close
    to the next. Over a second, a tenth more leaves 100 ms for that.
    """
    apart = calls_per_second <= MAX_RATE_APART
    return 1 / calls_per_second + (LATENESS_SECONDS if apart else 0.1 / calls_per_second)


class Pacing:
    """Spaces calls evenly, so that a limit a second and a least distance are both kept."""

    def __init__(
        self, store: Store, account: str, calls_per_second: float | None, workers: int
    ) -> None:
        """account: whose limit it is. workers: who share it where they cannot see each other."""
        self._store = store
        self._turn_key = f"pace|{account}"
        self._quota_key = f"quota|{account}"
        self._interval = interval(calls_per_second) if calls_per_second else None
        self._workers = workers

    def await_turn(self, deadline: Deadline, call_seconds: float) -> None:
        """Wait for this caller's turn, which leaves the call its `call_seconds` or half the time.

        Raises AmadeusUnavailable where the turn comes too late for the deadline, with the
        seconds until the queue is empty, and AmadeusQuota while the quota is used up.
        """
        self._raise_if_quota_exhausted()
        if self._interval is None:
            return
        left = deadline.remaining()
        max_wait = max(left / 2, left - call_seconds)
        wait, _ = self._store.take_turn(self._turn_key, self._interval, max_wait, self._workers)
        if wait > max_wait:
            raise AmadeusUnavailable(
                "Too many searches are waiting for Amadeus's rate limit.", retry_after=wait
            )
        if wait > 0:
            metrics.PACED.observe(wait)
            log.info(Event.AMADEUS_PACED, wait_ms=round(wait * 1000))
            time.sleep(wait)
            self._raise_if_quota_exhausted()  # an earlier caller may have met it meanwhile

    def pause_for_quota(self, error: AmadeusQuota) -> None:
        """The quota is used up: nobody in the fleet calls for as long as the error says."""
        body = dump_upstream_error(error)
        self._store.fail(self._quota_key, "", body, error.retry_after or 0.0, 1)

    def _raise_if_quota_exhausted(self) -> None:
        marker = self._store.failure_marker(self._quota_key)
        now = self._store.now()
        if marker is not None and marker.answers(now):
            raise marker.error(now)
