"""The life of a worker: warm-up, readiness and clean stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from api.errors import UpstreamError
from api.services.amadeus.circuit_breaker import CircuitBreaker
from api.services.amadeus.token_provider import TokenProvider
from api.services.cache.read_through import ReadThrough
from api.services.cache.store import CheckedStore
from api.services.deadline import Deadline
from api.services.status_history import History
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

WARM_UP_SECONDS: Final = 5.0

log = get_logger()


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Check:
    """The state of something that a worker uses: ok, or a word for what is wrong.

    age: seconds since it was last seen; None before the first time.
    """

    status: str
    age: float | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this worker can serve requests, and the state of everything that it uses."""

    status: str
    can_serve: bool
    checks: dict[str, Check]


class Lifecycle:
    """Starts and stops one worker."""

    def __init__(
        self,
        store: CheckedStore,
        read_through: ReadThrough,
        token_provider: TokenProvider,
        breaker: CircuitBreaker,
        history: History,
        close_connections: Callable[[], None],
    ) -> None:
        self._store = store
        self._read_through = read_through
        self._token_provider = token_provider
        self._breaker = breaker
        self._history = history
        self._close_connections = close_connections
        self._phase = Phase.STARTING

    def warm_up(self) -> None:
        """Connect to the store and fetch a token, in a thread, before the first request.

        Return at once, so that a slow Amadeus does not delay the worker.
        """
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        self._history.start()

    def readiness(self) -> Readiness:
        """Return ready, degraded (serves, but not everything works), starting or stopping.

        Nothing is called for it: each check reports what was last seen, and when.
        """
        store_is_up, token_age = self._store.is_up, self._token_provider.token_age
        checks = {
            "cache": Check(
                "ok" if store_is_up else "unavailable", _rounded(self._store.checked_ago)
            ),
            "token": Check("missing" if token_age is None else "ok", _rounded(token_age)),
            "amadeus": Check(self._breaker.health, _rounded(self._breaker.last_seen_seconds)),
        }
        if self._phase is not Phase.SERVING:
            return Readiness(self._phase, can_serve=False, checks=checks)
        is_ready = all(check.status == "ok" for check in checks.values())
        return Readiness("ready" if is_ready else "degraded", can_serve=True, checks=checks)

    def prepare_to_stop(self) -> None:
        """Report in `readiness` that the worker stops, so that it gets no new requests."""
        if self._phase is not Phase.STOPPING:
            self._phase = Phase.STOPPING
            log.info(Event.SERVICE_STOPPING)

    def stop(self) -> None:
        """Stop the threads, release the locks and close the connections."""
        self.prepare_to_stop()
        self._history.stop()
        self._token_provider.stop()
        self._read_through.close()
        # Before the store: a fetch that ends with its connection then stores no failure.
        self._close_connections()
        self._store.close()

    def _warm_up(self) -> None:
        started = time.monotonic()
        self._store.start()
        try:
            self._token_provider.token(Deadline(WARM_UP_SECONDS))
        except UpstreamError:
            pass  # the token provider logged it; the next request or refresh tries again
        except SystemExit:
            return  # `stop` was called meanwhile
        except Exception:
            log.exception(Event.TOKEN_FAILED)
        finally:
            if self._phase is Phase.STARTING:
                self._phase = Phase.SERVING
        duration_ms = round((time.monotonic() - started) * 1000, 1)
        checks = self.readiness().checks
        # Leave Amadeus out: no search has been made yet.
        cache, token = checks["cache"].status, checks["token"].status
        log.info(Event.SERVICE_WARMED, duration_ms=duration_ms, cache=cache, token=token)
        self._token_provider.keep_fresh()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 1)
