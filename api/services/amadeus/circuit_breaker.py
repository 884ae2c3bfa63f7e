"""Stops calling an upstream that does not answer, and finds out when it does again."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from api.errors import AmadeusUnavailable
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

FAILURES_TO_OPEN: Final = 10
OPEN_SECONDS: Final = 5.0
# What was seen longer ago says nothing of now.
REMEMBERED_SECONDS: Final = 600.0

log = get_logger()


class UpstreamHealth(StrEnum):
    """The health of Amadeus, as our calls show it: every value but FAILING is an answer.

    MISCONFIGURED: it refuses what we are, not what we ask. QUOTA: the month's calls are used up.
    """

    OK = "ok"
    FAILING = "failing"
    MISCONFIGURED = "misconfigured"
    QUOTA = "quota"


class CircuitBreaker:
    """Opens after FAILURES_TO_OPEN failures in a row, for a while; then one call at a time probes.

    Every call that is admitted must be followed by a `report` with what `admit` returned.
    """

    def __init__(
        self, open_seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._is_probing = False
        self._openings = 0
        self._last_seen = UpstreamHealth.OK
        self._last_seen_at: float | None = None

    @property
    def health(self) -> UpstreamHealth:
        """As it was seen last; OK if that is long ago, and FAILING after ten failures alone."""
        if self.last_seen_seconds is None or self.last_seen_seconds > REMEMBERED_SECONDS:
            return UpstreamHealth.OK
        if self._failures >= FAILURES_TO_OPEN:
            return UpstreamHealth.FAILING
        return UpstreamHealth.OK if self._last_seen is UpstreamHealth.FAILING else self._last_seen

    @property
    def last_seen_seconds(self) -> float | None:
        """Seconds since a call last showed how Amadeus is; None before the first."""
        return None if self._last_seen_at is None else self._clock() - self._last_seen_at

    def check(self) -> None:
        """Raises AmadeusUnavailable where `admit` would, and takes no part."""
        with self._lock:
            self._refuse_while_open()

    def admit(self) -> int:
        """Ask to make a call now. Raises AmadeusUnavailable while the circuit is open.

        Returns how often the circuit had opened, by which `report` knows a call of before.
        """
        with self._lock:
            self._refuse_while_open()
            self._is_probing = self._open_until is not None
            metrics.BREAKER_OPEN.set(self._is_probing)
            return self._openings

    def record(self, health: UpstreamHealth) -> None:
        """How Amadeus took another worker's call, which says nothing of this circuit."""
        with self._lock:
            self._last_seen, self._last_seen_at = health, self._clock()

    def report(self, health: UpstreamHealth, admitted: int) -> None:
        """How Amadeus took the call that was so admitted."""
        with self._lock:
            # A call of before the circuit opened tells nothing new, and is not the probe.
            if admitted != self._openings:
                return
            self._last_seen, self._last_seen_at = health, self._clock()
            self._is_probing = False
            was_open = self._open_until is not None
            self._failures = self._failures + 1 if health is UpstreamHealth.FAILING else 0
            is_open = self._failures >= FAILURES_TO_OPEN
            self._openings += is_open
            self._open_until = self._last_seen_at + self._open_seconds if is_open else None
            metrics.BREAKER_OPEN.set(is_open)
            if self._open_until is not None:
                self._await_end(self._open_until)
        if is_open and not was_open:
            metrics.BREAKER_OPENED.inc()
            log.warning(
                Event.AMADEUS_CIRCUIT_OPENED,
                failures=FAILURES_TO_OPEN,
                seconds=self._open_seconds,
            )
        if was_open and not is_open:
            log.info(Event.AMADEUS_CIRCUIT_CLOSED)

    def _await_end(self, until: float) -> None:
        """See to it that the metric tells when calls may be made again, even if none is."""
        timer = threading.Timer(self._open_seconds, self._show_end, [until])
        timer.daemon = True
        timer.start()

    def _show_end(self, until: float) -> None:
        with self._lock:
            if self._open_until == until and not self._is_probing:
                metrics.BREAKER_OPEN.set(0)

    def _refuse_while_open(self) -> None:
        if self._open_until is None:
            return
        left = self._open_until - self._clock()
        if left > 0 or self._is_probing:
            raise AmadeusUnavailable(
                "Amadeus failed too often; calls to it are paused.",
                retry_after=max(left, 1.0),
            )
