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

    Every call that is admitted must be followed by a `report`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._is_probing = False
        self._heard_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being held back."""
        return self._open_until is not None

    @property
    def heard_ago(self) -> float | None:
        """Seconds since a call last showed how Amadeus is; None before the first."""
        return None if self._heard_at is None else time.monotonic() - self._heard_at

    def check(self) -> None:
        """Raises AmadeusUnavailable where `admit` would, and takes no part."""
        with self._lock:
            self._refuse_while_open()

    def admit(self) -> None:
        """Ask to make a call now. Raises AmadeusUnavailable while the circuit is open."""
        with self._lock:
            self._refuse_while_open()
            self._is_probing = self._open_until is not None

    def report(self, *, answered: bool) -> None:
        """Whether Amadeus answered the call, whatever it said but an error of its own."""
        with self._lock:
            self._heard_at = time.monotonic()
            self._is_probing = False
            was_open = self._open_until is not None
            self._failures = 0 if answered else self._failures + 1
            is_open = self._failures >= FAILURES_TO_OPEN
            self._open_until = self._heard_at + OPEN_SECONDS if is_open else None
        if is_open and not was_open:
            metrics.BREAKER_OPEN.set(1)
            metrics.BREAKER_OPENED.inc()
            log.warning(
                Event.AMADEUS_CIRCUIT_OPENED, failures=FAILURES_TO_OPEN, seconds=OPEN_SECONDS
            )
        if was_open and not is_open:
            metrics.BREAKER_OPEN.set(0)
            log.info(Event.AMADEUS_CIRCUIT_CLOSED)

    def _refuse_while_open(self) -> None:
        if self._open_until is None:
            return
        left = self._open_until - time.monotonic()
        if left > 0 or self._is_probing:
            raise AmadeusUnavailable(
                "Amadeus has failed too often just now; calls to it are held back.",
                retry_after=max(left, 1.0),
            )
