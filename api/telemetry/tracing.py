"""Spans for a collector of OpenTelemetry; without one, nothing is imported and nothing happens."""

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
# Seconds that a batch of spans may take to the collector; they are sent in the background.
EXPORT_SECONDS: Final = 5.0
# Of the traces that begin here, or that strangers want collected, how many a worker collects each
# second, unless OTEL_TRACES_SAMPLER says which: the spans of a hit take longer to make than its
# answer.
TRACES_A_SECOND: Final = 50
# A `traceparent` (W3C Trace Context, 3.2): the trace's id, and the flags behind everything else.
_TRACEPARENT: Final = re.compile(
    r"(00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-)([0-9a-f]{2})"
)
_SAMPLED: Final = 1


class Span(Protocol):
    """A piece of work with its beginning, its end and what is to be known of it."""

    def set_attribute(self, key: str, value: Any) -> object:
        """Tell something of it."""


class _NoSpan:
    """The span that nobody collects."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set_attribute(self, key: str, value: Any) -> None:
        pass

    def is_recording(self) -> bool:
        return False


class _RateSampler:
    """Takes the first few traces of each second."""

    def __init__(self) -> None:
        self._second = 0
        self._taken = 0

    def take(self) -> bool:
        """Whether the trace that begins now, or that a stranger brings, is collected."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken <= TRACES_A_SECOND


_NO_SPAN: Final = _NoSpan()
_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None
_sampler: _RateSampler | None = None
# What a call hands on of a trace that nobody collects; None where somebody does.
_unsampled_headers: ContextVar[Mapping[str, str] | None] = ContextVar("left_out", default=None)


def is_installed() -> bool:
    """Whether the packages of requirements/tracing.txt are there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def start(endpoint: str, environment: str) -> None:
    """Send spans from here on to a collector: the base URL of OTLP over HTTP.

    What docs/observability.md names of the other OTEL_ variables, the SDK reads by itself.
    """
    global _provider, _tracer, _sampler  # noqa: PLW0603 - one for each process, like the log
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create(
        {
            "service.name": SERVICE_NAME,
            "service.version": __version__,
            "amadeus.environment": environment,
        }
    )
    resource = ours.merge(OTELResourceDetector().detect())  # the environment wins
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer(SERVICE_NAME, __version__)
    _sampler = None if os.environ.get("OTEL_TRACES_SAMPLER") else _RateSampler()


def stop() -> None:
    """Send what has not been sent yet."""
    if _provider is not None:
        _provider.shutdown()


def span(name: str, *, is_call: bool = False) -> AbstractContextManager[Span]:
    """A span of the work in the `with`; errors that leave it are noted.

    `is_call`: whether the work is a call to another service.
    """
    if _tracer is None or _unsampled_headers.get() is not None:
        return _NO_SPAN
    from opentelemetry.trace import SpanKind

    kind = SpanKind.CLIENT if is_call else SpanKind.INTERNAL
    return _tracer.start_as_current_span(name, kind=kind)


def request_span(
    name: str, headers: Mapping[str, str], *, trusted: bool
) -> tuple[str | None, AbstractContextManager[Span]]:
    """The span of a request that came in, not yet entered, and the id of its trace.

    None where there is no trace: it begins here and the second has had its traces, or
    OpenTelemetry is switched off (OTEL_SDK_DISABLED).
    It continues the trace of `headers`, where there is a `traceparent` (W3C Trace Context).
    `trusted`: whether that may ask for spans as often as it likes. Only after `start`.
    """
    if _sampler is not None:
        theirs = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        flags = int(theirs[3], 16) if theirs else _SAMPLED
        if not flags & _SAMPLED or not ((theirs and trusted) or _sampler.take()):
            _unsampled_headers.set(
                {"traceparent": f"{theirs[1]}{flags & ~_SAMPLED:02x}"} if theirs else {}
            )
            return theirs[2] if theirs else None, _NO_SPAN

    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert _tracer is not None  # noqa: S101 - see above
    parent = TraceContextTextMapPropagator().extract(headers) if headers else None
    begun = _tracer.start_span(name, context=parent, kind=trace.SpanKind.SERVER)
    context = begun.get_span_context()
    _unsampled_headers.set({} if context.is_valid and not context.trace_flags.sampled else None)
    trace_id = trace.format_trace_id(context.trace_id) if context.is_valid else None
    return trace_id, trace.use_span(begun, end_on_exit=True)


def mark_failed(failed: Any) -> None:
    """Say of a span that it ended badly. Only after `start`."""
    from opentelemetry.trace import StatusCode

    failed.set_status(StatusCode.ERROR)


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the `traceparent` of the present span to the headers of a call."""
    if _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers.update(_unsampled_headers.get() or {})
    TraceContextTextMapPropagator().inject(headers)
