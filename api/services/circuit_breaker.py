"""Stops calling an upstream that does not answer, and finds out when it does again."""

import threading
import time
from typing import Final

from api import metrics
from api.errors import AmadeusUnavailable
from api.logs import Event, get_logger

FAILURES_TO_OPEN: Final = 10
OPEN_SECONDS: Final = 5.0

log = get_logger()


class CircuitBreaker:
    """Opens after ten failures in a row, for five seconds; then one call at a time probes.

    Every call that is admitted must be followed by `succeeded` or `failed`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._heard_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being held back."""
        return self._open_until is not None

    @property
    def heard_ago(self) -> float | None:
        """Seconds since a call last showed how Amadeus is; None before the first."""
        return None if self._heard_at is None else time.monotonic() - self._heard_at

    def admit(self) -> None:
        """Ask to make a call. Raises AmadeusUnavailable while the circuit is open."""
        with self._lock:
            if self._open_until is None:
                return
            now = time.monotonic()
            if now < self._open_until:
                raise AmadeusUnavailable(
                    "Amadeus has failed too often just now; calls to it are held back.",
                    retry_after=self._open_until - now,
                )
            # This caller probes; the next may, should this one never report.
            self._open_until = now + OPEN_SECONDS

    def succeeded(self) -> None:
        """Amadeus answered, whatever it said."""
        with self._lock:
            self._heard_at = time.monotonic()
            was_open, self._open_until = self._open_until is not None, None
            self._failures = 0
        if was_open:
            metrics.BREAKER_OPEN.set(0)
            log.info(Event.AMADEUS_CIRCUIT_CLOSED)

    def failed(self) -> None:
        """Amadeus did not answer, or reported an error of its own."""
        with self._lock:
            self._heard_at = time.monotonic()
            self._failures += 1
            if self._failures < FAILURES_TO_OPEN:
                return
            was_open = self._open_until is not None
            self._open_until = time.monotonic() + OPEN_SECONDS
        if not was_open:
            metrics.BREAKER_OPEN.set(1)
            metrics.BREAKER_OPENED.inc()
            log.warning(
                Event.AMADEUS_CIRCUIT_OPENED, failures=FAILURES_TO_OPEN, seconds=OPEN_SECONDS
            )
