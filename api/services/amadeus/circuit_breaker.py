"""A circuit breaker: pauses calls to an upstream that fails, then probes it."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from api.errors import AmadeusUnavailable
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

FAILURES_TO_OPEN: Final = 10
OPEN_SECONDS: Final = 5.0
# Age from which the last call says nothing about the present health.
REMEMBERED_SECONDS: Final = 600.0

log = get_logger()


class ProbeUnderWay(AmadeusUnavailable):
    """Calls are paused until the probe ends, which may be soon."""


class UpstreamHealth(StrEnum):
    """The health of Amadeus according to our calls. All values but FAILING mean that it answers.

    MISCONFIGURED: it rejects our credentials. QUOTA: the monthly quota is used up.
    """

    OK = "ok"
    FAILING = "failing"
    MISCONFIGURED = "misconfigured"
    QUOTA = "quota"


class CircuitBreaker:
    """Opens after FAILURES_TO_OPEN consecutive failures, then admits one call at a time as a probe.

    After every admitted call, pass the result of `admit` to `report`.
    """

    def __init__(
        self,
        metrics: Metrics,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
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
        """The health at the last call; OK if that is long ago.

        FAILING only after FAILURES_TO_OPEN consecutive failures.
        """
        if self.last_seen_seconds is None or self.last_seen_seconds > REMEMBERED_SECONDS:
            return UpstreamHealth.OK
        if self._failures >= FAILURES_TO_OPEN:
            return UpstreamHealth.FAILING
        return UpstreamHealth.OK if self._last_seen is UpstreamHealth.FAILING else self._last_seen

    @property
    def last_seen_seconds(self) -> float | None:
        """Seconds since the last call; None before the first."""
        return None if self._last_seen_at is None else self._clock() - self._last_seen_at

    def check(self) -> None:
        """Raise AmadeusUnavailable if the circuit is open. Takes no probe, unlike `admit`."""
        with self._lock:
            self._raise_if_open()

    def admit(self) -> int:
        """Admit a call. Raises AmadeusUnavailable while the circuit is open.

        Return how often the circuit has opened, so that `report` can ignore older calls.
        """
        with self._lock:
            self._raise_if_open()
            self._is_probing = self._open_until is not None
            self._metrics.breaker_open.set(self._is_probing)
            return self._openings

    def record(self, health: UpstreamHealth) -> None:
        """Record the health without an admitted call, and without effect on the circuit."""
        with self._lock:
            self._last_seen, self._last_seen_at = health, self._clock()

    def report(self, health: UpstreamHealth, admitted: int) -> None:
        """Report the outcome of an admitted call. admitted: what `admit` returned."""
        with self._lock:
            # Ignore a call from before the circuit opened: it is not the probe.
            if admitted != self._openings:
                return
            self._last_seen, self._last_seen_at = health, self._clock()
            self._is_probing = False
            was_open = self._open_until is not None
            self._failures = self._failures + 1 if health is UpstreamHealth.FAILING else 0
            is_open = self._failures >= FAILURES_TO_OPEN
            self._openings += is_open
            self._open_until = self._last_seen_at + self._open_seconds if is_open else None
            self._metrics.breaker_open.set(is_open)
            if self._open_until is not None:
                self._schedule_metric_reset(self._open_until)
        if is_open and not was_open:
            self._metrics.breaker_opened.inc()
            log.warning(
                Event.AMADEUS_CIRCUIT_OPENED,
                failures=FAILURES_TO_OPEN,
                seconds=self._open_seconds,
            )
        if was_open and not is_open:
            log.info(Event.AMADEUS_CIRCUIT_CLOSED)

    def _schedule_metric_reset(self, until: float) -> None:
        """Reset the metric when the circuit may close, even if no call is made then."""
        timer = threading.Timer(self._open_seconds, self._reset_metric, [until])
        timer.daemon = True
        timer.start()

    def _reset_metric(self, until: float) -> None:
        with self._lock:
            if self._open_until == until and not self._is_probing:
                self._metrics.breaker_open.set(0)

    def _raise_if_open(self) -> None:
        if self._open_until is None:
            return
        left = self._open_until - self._clock()
        if left > 0 or self._is_probing:
            error = ProbeUnderWay if self._is_probing else AmadeusUnavailable
            raise error(
                "Amadeus failed too often; calls to it are paused.",
                retry_after=max(left, 1.0),
            )
