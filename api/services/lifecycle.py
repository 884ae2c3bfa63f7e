"""A worker's beginning and end: the warm-up, what it is ready for, and the clean stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from api.errors import UpstreamError
from api.logs import Event, get_logger
from api.services.deadline import Deadline
from api.services.token_vault import TokenVault

WARM_UP_SECONDS: Final = 5.0

log = get_logger()


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class CheckedStore(Protocol):
    """The part of a store that has a beginning and an end."""

    @property
    def is_up(self) -> bool:
        """Whether it is in use."""

    def start(self) -> None:
        """Reach for it, and start the threads that it needs."""

    def close(self) -> None:
        """Give its connections back."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether to send this worker requests, and how each thing that it uses is."""

    status: str
    can_serve: bool
    checks: dict[str, str] = field(default_factory=dict)


class Lifecycle:
    """Takes one worker from its fork to its end."""

    def __init__(
        self, store: CheckedStore, vault: TokenVault, close_connections: Callable[[], None]
    ) -> None:
        self._store = store
        self._vault = vault
        self._close_connections = close_connections
        self._phase = Phase.STARTING

    def warm_up(self) -> None:
        """Reach for store and token in a thread, so that the first request finds them ready.

        Returns at once: an Amadeus that hangs or is down delays nobody.
        """
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def readiness(self) -> Readiness:
        """Ready, degraded (answers, but not at its best), starting or stopping."""
        checks = {
            "cache": "ok" if self._store.is_up else "unavailable",
            "token": "ok" if self._vault.has_token else "missing",
        }
        if self._phase is not Phase.SERVING:
            return Readiness(self._phase, can_serve=False, checks=checks)
        is_well = all(check == "ok" for check in checks.values())
        return Readiness("ready" if is_well else "degraded", can_serve=True, checks=checks)

    def stop(self) -> None:
        """End the threads and close the connections."""
        self._phase = Phase.STOPPING
        log.info(Event.SERVICE_STOPPING)
        self._vault.stop()
        self._store.close()
        self._close_connections()

    def _warm_up(self) -> None:
        started = time.monotonic()
        self._store.start()
        try:
            self._vault.token(Deadline(WARM_UP_SECONDS))
        except UpstreamError:
            pass  # the vault said so in the log; the next request or refresh tries again
        finally:
            if self._phase is Phase.STARTING:
                self._phase = Phase.SERVING
        duration_ms = round((time.monotonic() - started) * 1000, 1)
        log.info(Event.SERVICE_WARMED, duration_ms=duration_ms, **self.readiness().checks)
        self._vault.keep_fresh()
