"""OpenTelemetry spans. Without a collector, OpenTelemetry is not imported."""

import os
import re
import time
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from api import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE_NAME: Final = "flight-price-api"
# Time limit for sending a batch of spans, which happens in the background.
EXPORT_SECONDS: Final = 5.0
# The limit of a worker for traces that start here or that an untrusted client sends, because the
# spans of a hit cost more than the hit. It does not apply if OTEL_TRACES_SAMPLER is set.
TRACES_A_SECOND: Final = 50
# A `traceparent` (W3C Trace Context, section 3.2). Groups: all but the flags, trace id, flags.
_TRACEPARENT: Final = re.compile(
    r"(00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-)([0-9a-f]{2})"
)
_SAMPLED: Final = 1


class Span(Protocol):
    """A piece of work in a trace."""

    def set_attribute(self, key: str, value: Any) -> object:
        """Set an attribute of the span."""


class _NoSpan:
    """A span that is not collected."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set_attribute(self, key: str, value: Any) -> None:
        pass

    def is_recording(self) -> bool:
        return False


class _RateSampler:
    """Samples the first TRACES_A_SECOND traces of each second."""

    def __init__(self) -> None:
        self._second = 0
        self._taken = 0

    def take(self) -> bool:
        """Return whether to collect one more trace."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken <= TRACES_A_SECOND


_NO_SPAN: Final = _NoSpan()
_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None
_sampler: _RateSampler | None = None
# The headers that a call passes on for a trace that is not collected; None for one that is.
_unsampled_headers: ContextVar[Mapping[str, str] | None] = ContextVar("unsampled", default=None)


def is_installed() -> bool:
    """Return whether the packages of requirements/tracing.txt are installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def start(endpoint: str, environment: str) -> None:
    """Start sending spans to a collector. `endpoint` is its base URL (OTLP over HTTP).

    The SDK itself reads the other OTEL_ variables that docs/observability.md names.
    """
    global _provider, _tracer, _sampler  # noqa: PLW0603 - one per process, like the log
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = Resource.create(
        {
            "service.name": SERVICE_NAME,
            "service.version": __version__,
            "amadeus.environment": environment,
        }
    )
    resource = own.merge(OTELResourceDetector().detect())  # the environment takes precedence
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer(SERVICE_NAME, __version__)
    _sampler = None if os.environ.get("OTEL_TRACES_SAMPLER") else _RateSampler()


def stop() -> None:
    """Send the remaining spans."""
    if _provider is not None:
        _provider.shutdown()


def span(name: str, *, is_call: bool = False) -> AbstractContextManager[Span]:
    """Return a context manager for a span; it records exceptions that leave it.

    `is_call`: whether the span is a call to another service.
    """
    if _tracer is None or _unsampled_headers.get() is not None:
        return _NO_SPAN
    from opentelemetry.trace import SpanKind

    kind = SpanKind.CLIENT if is_call else SpanKind.INTERNAL
    return _tracer.start_as_current_span(name, kind=kind)


def request_span(
    name: str, headers: Mapping[str, str], *, trusted: bool
) -> tuple[str | None, AbstractContextManager[Span]]:
    """Return the id of a request's trace and the request's span, which is not started yet.

    The span continues the trace of a `traceparent` in `headers` (W3C Trace Context). The id is
    None if there is no trace: the worker's limit is reached and the client sent none, or
    OTEL_SDK_DISABLED is set. `trusted`: whether the client's traces are exempt from the limit.
    Call this only after `start`.
    """
    if _sampler is not None:
        incoming = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        flags = int(incoming[3], 16) if incoming else _SAMPLED
        if not flags & _SAMPLED or not ((incoming and trusted) or _sampler.take()):
            _unsampled_headers.set(
                {"traceparent": f"{incoming[1]}{flags & ~_SAMPLED:02x}"} if incoming else {}
            )
            return incoming[2] if incoming else None, _NO_SPAN

    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert _tracer is not None  # noqa: S101 - `start` has set it
    parent = TraceContextTextMapPropagator().extract(headers) if headers else None
    server_span = _tracer.start_span(name, context=parent, kind=trace.SpanKind.SERVER)
    context = server_span.get_span_context()
    _unsampled_headers.set({} if context.is_valid and not context.trace_flags.sampled else None)
    trace_id = trace.format_trace_id(context.trace_id) if context.is_valid else None
    return trace_id, trace.use_span(server_span, end_on_exit=True)


def mark_failed(failed: Any) -> None:
    """Set the status of a span to error. Call this only after `start`."""
    from opentelemetry.trace import StatusCode

    failed.set_status(StatusCode.ERROR)


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the `traceparent` of the current span to the headers of a call."""
    if _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers.update(_unsampled_headers.get() or {})
    TraceContextTextMapPropagator().inject(headers)
