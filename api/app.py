"""The composition root: creates all objects and connects them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import falcon
import httpx2

from api import __version__
from api.access.gate import Gate, Rules
from api.access.rate_limit import ClientRateLimit
from api.http.cors import cors
from api.http.error_handlers import JSON_LINES, add_error_handlers
from api.http.request_context import RequestContext
from api.http.request_span import RequestSpan
from api.resources.calendar import CalendarResource
from api.resources.front_page import FrontPageResource
from api.resources.health import ConstantResource, ReadinessResource
from api.resources.mcp.resource import McpResource
from api.resources.mcp.tools import Tools
from api.resources.openapi.document import OpenApiResource
from api.resources.price import PriceResource
from api.resources.scrape import MetricsResource
from api.resources.static_pages import page_resources
from api.resources.status import StatusResource
from api.services.amadeus.circuit_breaker import CircuitBreaker
from api.services.amadeus.gateway import AmadeusGateway
from api.services.amadeus.pacing import Pacing
from api.services.amadeus.sdk_adapter import SdkHttpAdapter
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import DEFAULT_REFRESH_TIMES, RefreshTimes, TokenProvider
from api.services.amadeus.transport import (
    Transport,
)
from api.services.amadeus.upstream_client import UpstreamClient
from api.services.bodies import offer_of, price_of
from api.services.cache.layered_store import LayeredStore
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to as redis_at
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.store import CheckedStore
from api.services.calendar import Calendars
from api.services.lifecycle import Lifecycle
from api.services.prices import CacheTimes, Prices
from api.services.status_history import History
from api.services.status_report import MetricSnapshot, Status
from api.settings import Settings
from api.settings.environments import PROVIDERS
from api.telemetry import tracing
from api.telemetry.metrics import Metrics
from api.upstream import upstream_connections

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Falcon reserves this method and rejects it before any middleware runs. In lower case Falcon
# handles it like any other unknown method.
RESERVED_METHOD: Final = "WEBSOCKET"


class Application:
    """The WSGI callable of one worker, with methods to start and stop it."""

    def __init__(
        self,
        wsgi: falcon.App[Any, Any],
        lifecycle: Lifecycle,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Create the callable. metrics: gunicorn's worker adds the requests that it rejects."""
        self._wsgi = wsgi
        self._lifecycle = lifecycle
        self._settings = settings
        self.metrics = metrics
        self.prepare_to_stop = lifecycle.prepare_to_stop

    def warm_up(self) -> None:
        """Start the background work and return at once."""
        if collector := self._settings.otel_exporter_otlp_endpoint:
            tracing.start(collector, self._settings.environment_shown)
        self._lifecycle.warm_up()

    def stop(self) -> None:
        """Stop the background work and close all connections."""
        self._lifecycle.stop()
        tracing.stop()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == RESERVED_METHOD:
            environ["REQUEST_METHOD"] = RESERVED_METHOD.lower()
        return self._wsgi(environ, start_response)


def create_app(
    settings: Settings,
    *,
    store: CheckedStore | None = None,
    transport: httpx2.BaseTransport | None = None,
    refresh_times: RefreshTimes = DEFAULT_REFRESH_TIMES,
) -> Application:
    """Create the service. Only `warm_up` opens connections and starts threads.

    `store` and `transport` replace those chosen by the settings; with the bridge, `transport` leads
    to the provider. refresh_times: of the token.
    """
    metrics = Metrics()
    store = store or _store(settings, metrics)
    read_through = ReadThrough(store, settings.request_deadline)
    client_id, client_secret = settings.credentials
    upstream_transport = Transport(upstream_connections(settings, transport, metrics))
    pacing = Pacing(
        store,
        f"{settings.base_url}|{client_id}",
        settings.calls_per_second,
        settings.workers,
        metrics,
    )
    breaker = CircuitBreaker(metrics)
    upstream_client = UpstreamClient(
        upstream_transport,
        pacing,
        breaker,
        settings.amadeus_timeout,
        metrics,
        # Each search at a provider is billed, and only the bridge knows what can be repeated free.
        retries=settings.environment not in PROVIDERS,
    )
    credentials = Credentials(client_id, client_secret, settings.amadeus_guest_office_id)
    token_provider = TokenProvider(
        store,
        read_through,
        upstream_client.fetch_token,
        settings.base_url,
        credentials,
        metrics,
        refresh_times,
    )
    gateway = AmadeusGateway(
        settings.base_url,
        client_id,
        client_secret,
        SdkHttpAdapter(token_provider, upstream_client.search, metrics),
    )
    times = CacheTimes(
        float(settings.cache_ttl), float(settings.cache_stale_ttl), float(settings.cache_empty_ttl)
    )
    prices = Prices(read_through, gateway, settings.provider, times, metrics)
    calendars = Calendars(read_through, prices, upstream_client, metrics)
    history = History(metrics.folder, lambda: MetricSnapshot(metrics.collect()).totals())
    lifecycle = Lifecycle(
        store, read_through, token_provider, breaker, history, upstream_transport.close
    )
    status = Status(
        settings.environment_shown,
        lifecycle.readiness,
        history,
        metrics,
        uses_redis=not settings.in_memory,
    )
    metrics.worker_started(settings.environment_shown)
    rules = _rules(settings, store)
    wsgi = _routes(settings, prices, calendars, lifecycle, status, rules, metrics)
    return Application(wsgi, lifecycle, settings, metrics)


def _routes(
    settings: Settings,
    prices: Prices,
    calendars: Calendars,
    lifecycle: Lifecycle,
    status: Status,
    rules: Rules,
    metrics: Metrics,
) -> falcon.App[Any, Any]:
    collects = settings.otel_exporter_otlp_endpoint
    spans = [RequestSpan(settings.forwarded_allow_ips)] if collects else []
    app = falcon.App(middleware=[RequestContext(metrics), *spans, *cors(settings.cors_origins)])
    if rules:
        app.add_middleware(Gate(rules))
    app.req_options.strip_url_path_trailing_slash = True
    app.resp_options.xml_error_serialization = False
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = JSON_LINES
    ping = ConstantResource({"data": "pong"})
    version = {"name": "flight-price-api", "version": __version__}
    environment, request_deadline = settings.environment_shown, settings.request_deadline
    price = PriceResource(prices, price_of, environment, request_deadline)
    offer = PriceResource(prices, offer_of, environment, request_deadline, path="/flights/offer")
    calendar = CalendarResource(calendars, prices, environment, request_deadline)
    tools = Tools(price, offer, calendar, environment, prices.oldest)
    routes = {
        "/": FrontPageResource(),
        "/flights/price": price,
        "/flights/offer": offer,
        "/flights/calendar": calendar,
        "/mcp": McpResource(tools, settings.cors_origins, metrics),
        "/flights/ping": ping,
        "/ping": ping,
        "/healthz": ConstantResource({"status": "ok"}, is_probe=True),
        "/readyz": ReadinessResource(lifecycle.readiness),
        "/version": ConstantResource(version),
        "/metrics": MetricsResource(metrics),
        "/openapi.json": OpenApiResource(prices.oldest),
        "/status.json": StatusResource(status),
        **page_resources(),
    }
    for path, resource in routes.items():
        app.add_route(path, resource)
    add_error_handlers(app, metrics, routes)
    return app


def _rules(settings: Settings, store: CheckedStore) -> Rules:
    def rate_limit(name: str, per_minute: int | None) -> ClientRateLimit | None:
        return ClientRateLimit(store, name, per_minute, settings.workers) if per_minute else None

    return Rules(
        settings.api_keys,
        settings.operator_keys,
        rate_limit("client", settings.client_rate_limit),
        rate_limit("nocache", settings.nocache_rate_limit),
        settings.forwarded_allow_ips,
    )


def _store(settings: Settings, metrics: Metrics) -> CheckedStore:
    if settings.in_memory:
        return MemoryStore(metrics)
    shared = RedisStore(redis_at(settings.redis_url.get_secret_value()), metrics)
    return LayeredStore(shared, float(settings.cache_stale_ttl), metrics)
