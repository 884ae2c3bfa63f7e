"""Pacing: all workers together keep the upstream's rate limit, and its pauses."""

import time
from typing import Final

from api.errors import (
    AmadeusUnavailable,
    UpstreamError,
    dump_upstream_error,
    load_upstream_error,
)
from api.services.cache.entries import Entry
from api.services.cache.requests import FetchPostponed
from api.services.cache.store import Store
from api.services.deadline import Deadline, Terms
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

# Up to this rate, Amadeus checks the time between calls: at ten a second, 100 ms. Above it,
# Amadeus counts the calls of a second (docs/amadeus.md, section "Rate limits").
MAX_SPACED_RATE: Final = 10.0
# A patient search takes a turn only while fewer than this are given out ahead, to all workers.
MAX_AHEAD: Final = 8
NO_TURN: Final = -1.0  # no turn comes within this wait
# How often a worker asks Redis whether there is a pause; it hears of a new one at once anyway.
PAUSE_CHECK_SECONDS: Final = 60.0
# How late a busy worker may send a call.
LATENESS_SECONDS: Final = 0.02

log = get_logger()


def interval(calls_per_second: float) -> float:
    """Return the seconds from one turn to the next: those of the limit, and a margin.

    Amadeus counts calls when they arrive, so a late call comes too close to the next one. Where
    it counts over a second, a margin of a tenth allows for 100 ms of lateness.
    """
    is_spaced = calls_per_second <= MAX_SPACED_RATE
    return 1 / calls_per_second + (LATENESS_SECONDS if is_spaced else 0.1 / calls_per_second)


class Pacing:
    """Spaces calls evenly, which keeps limits per second and minimum intervals alike."""

    def __init__(
        self,
        store: Store,
        account: str,
        calls_per_second: float | None,
        workers: int,
        metrics: Metrics,
    ) -> None:
        """Create the pacing of an account. calls_per_second: None for no limit.

        workers: number of workers that share the limit if they do not share a store.
        """
        self._store = store
        self._turn_key = f"pace|{account}"
        self._pause_key = f"pause|{account}"
        self.interval = interval(calls_per_second) if calls_per_second else None
        self._workers = workers
        self._metrics = metrics

    def room_in(self, deadline: Deadline, call_seconds: float) -> float:
        """Return the seconds until a patient search may take a turn; this takes none.

        deadline: that of the search. Raises the error of a pause, as `await_turn` does.
        """
        self._raise_if_paused()
        if self.interval is None:
            return 0.0
        wait, _, _ = self._store.take_turns(self._turn_key, self.interval, NO_TURN, self._workers)
        return max(0.0, wait - _longest_wait(deadline, call_seconds, self.interval))

    def await_turn(self, terms: Terms, call_seconds: float) -> None:
        """Wait for this caller's turn.

        The wait leaves the call `call_seconds`, or half of the remaining time if that is less.

        Raises AmadeusUnavailable if the turn comes too late; its `retry_after` is the time until
        the queue is empty. Raises the error that was passed to `pause` while that lasts, with the
        time left. Raises FetchPostponed if the search is patient and there is no room for it.
        """
        self._raise_if_paused()
        patience = terms.patience
        if self.interval is None:
            if patience is not None:
                patience.turn_taken()
            return
        patient_interval = self.interval if patience else None
        max_wait = _longest_wait(terms.deadline, call_seconds, patient_interval)
        wait, _, _ = self._store.take_turns(self._turn_key, self.interval, max_wait, self._workers)
        if wait > max_wait:
            if patience is not None:
                raise FetchPostponed
            raise AmadeusUnavailable(
                "Too many searches are waiting for Amadeus's rate limit.", retry_after=wait
            )
        if patience is not None:
            patience.turn_taken()
        if wait > 0:
            self._metrics.paced.observe(wait)
            log.info(Event.AMADEUS_PACED, wait_ms=round(wait * 1000))
            time.sleep(wait)
            self._raise_if_paused()  # an earlier call may have begun a pause meanwhile

    def pause(self, error: UpstreamError) -> None:
        """Stop the searches of all workers for the `retry_after` of the error.

        A pause that ends later stays, as that for the quota does.
        """
        now, seconds = self._store.now(), error.retry_after or 0.0
        present = self._store.get(self._pause_key)
        if present is None or not present.body or present.fetched_at + present.ttl < now + seconds:
            self._put_pause(dump_upstream_error(error), now, seconds)

    def _raise_if_paused(self) -> None:
        """Raise the error of a pause while it lasts.

        The entry is the error, or empty without a pause. Stores announce it to all workers, so a
        look finds it in the worker's copy.
        """
        now = self._store.now()
        entry = self._store.get(self._pause_key)
        if entry is None or not entry.is_fresh(now):
            # Dated back, so that a pause is newer even by a clock that is behind this one.
            entry = self._put_pause(b"", now - PAUSE_CHECK_SECONDS, 2 * PAUSE_CHECK_SECONDS)
        if entry.body and entry.is_fresh(now):
            error = load_upstream_error(entry.body)
            error.retry_after = entry.fetched_at + entry.ttl - now
            raise error

    def _put_pause(self, body: bytes, now: float, ttl: float) -> Entry:
        return self._store.put(self._pause_key, "", body, now, ttl, stale_ttl=0.0)


def _longest_wait(deadline: Deadline, call_seconds: float, interval: float | None) -> float:
    """Return the seconds that a search may wait for its turn. interval: None if not patient."""
    left = deadline.remaining()
    longest = max(left / 2, left - call_seconds)
    # Half of it is left to the single prices that come next; else they would be refused.
    return longest if interval is None else min(longest / 2, MAX_AHEAD * interval)
