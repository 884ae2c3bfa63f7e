"""Connects to the upstream that the settings name: a server, or one in this process."""

import ssl
from typing import TYPE_CHECKING, Any, Final

import falcon
import httpx2

from api.services.amadeus.httpx2_connections import Httpx2Connections
from api.services.amadeus.transport import (
    KEEP_ALIVE_SECONDS,
    Connections,
    connections_to,
)
from api.services.cache.fetches import MAX_FETCHES
from api.settings import Settings
from api.settings.environments import PROVIDERS, AmadeusEnvironment
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bridge.client import Call

# The bridge gives up so much later than the client that calls it, which then says why.
BRIDGE_MARGIN_SECONDS: Final = 1.0

log = get_logger()


def upstream_connections(
    settings: Settings, connections: httpx2.BaseTransport | None, metrics: Metrics
) -> Connections:
    """Return the connections to Amadeus, or to what stands in for it in this process.

    connections: replace those of the settings.
    """
    if settings.environment in PROVIDERS:
        connections = connections or provider_connections(settings)
        return Httpx2Connections(_bridge(settings, connections, metrics))
    if connections is not None:
        return Httpx2Connections(connections)
    if settings.environment is AmadeusEnvironment.SANDBOX:
        import sandbox  # noqa: PLC0415 - only imported if it is used

        return Httpx2Connections(httpx2.WSGITransport(app=sandbox.create_app()))
    return connections_to(settings.base_url)


def provider_connections(settings: Settings) -> httpx2.HTTPTransport:
    """Return a pool of connections to a provider, for the calls of a worker's fetches."""
    from bridge.providers import CALLS_AT_ONCE  # noqa: PLC0415 - as the sandbox

    url = settings.provider_base_url or "https:"
    most = MAX_FETCHES * CALLS_AT_ONCE[settings.environment]
    return httpx2.HTTPTransport(
        # Loading the certificate authorities takes 45 ms, so plain HTTP skips it.
        verify=ssl.create_default_context() if url.startswith("https:") else False,
        limits=httpx2.Limits(
            max_connections=most,
            max_keepalive_connections=most,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        ),
    )


def _bridge(
    settings: Settings, connections: httpx2.BaseTransport, metrics: Metrics
) -> httpx2.BaseTransport:
    """Return the transport to a bridge in this process. connections: to its provider."""
    import bridge.app  # noqa: PLC0415 - as the sandbox
    import bridge.providers  # noqa: PLC0415

    def observe(call: "Call") -> None:
        metrics.provider_calls.inc()
        fields = {
            "provider": settings.environment.value,
            "call": call.name,
            "status": call.status,
            "duration_ms": round(call.seconds * 1000, 1),
            **({"error": call.error} if call.error else {}),
        }
        if call.failure:
            log.warning(Event.PROVIDER_CALL, **fields, failure=call.failure)
        else:
            log.info(Event.PROVIDER_CALL, **fields)

    seconds = settings.amadeus_timeout + BRIDGE_MARGIN_SECONDS
    connect = bridge.providers.FACTORIES[settings.environment]
    provider = connect(settings.provider_variables, connections, seconds, observe)
    _, token_secret = settings.credentials
    return _InProcess(bridge.app.create_app(provider.offers, token_secret), connections)


class _InProcess(httpx2.WSGITransport):
    """A server in this process. Its own connections close with those to it."""

    def __init__(self, app: falcon.App[Any, Any], connections: httpx2.BaseTransport) -> None:
        super().__init__(app=app)
        self._connections = connections

    def close(self) -> None:
        self._connections.close()
