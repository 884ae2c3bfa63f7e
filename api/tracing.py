"""Spans for a collector of OpenTelemetry; without one, nothing is imported and nothing happens."""

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from api import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE_NAME: Final = "flight-price-api"
# Seconds that a batch of spans may take to the collector; they are sent in the background.
EXPORT_SECONDS: Final = 5.0


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


_NO_SPAN: Final = _NoSpan()
_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def is_installed() -> bool:
    """Whether the packages of requirements-tracing.txt are there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def start(endpoint: str, environment: str) -> None:
    """Send spans from here on to a collector: the base URL of OTLP over HTTP.

    What docs/observability.md names of the other OTEL_ variables, the SDK reads by itself.
    """
    global _provider, _tracer  # noqa: PLW0603 - one for each process, like the log
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

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


def stop() -> None:
    """Send what has not been sent yet."""
    if _provider is not None:
        _provider.shutdown()


def span(name: str) -> AbstractContextManager[Span]:
    """A span of the work in the `with`; errors that leave it are noted."""
    if _tracer is None or _is_left_out():
        return _NO_SPAN
    return _tracer.start_as_current_span(name)


def call_span(name: str) -> AbstractContextManager[Span]:
    """The same for a call to another service."""
    if _tracer is None or _is_left_out():
        return _NO_SPAN
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    return _tracer.start_as_current_span(name, kind=SpanKind.CLIENT)


def request_span(
    name: str, headers: Mapping[str, str]
) -> tuple[str | None, AbstractContextManager[Span]]:
    """The span of a request that came in, not yet entered, and the id of its trace.

    None where OpenTelemetry is switched off (OTEL_SDK_DISABLED), so that there is no trace.
    It continues the trace of `headers`, where there is a `traceparent` (W3C Trace Context).
    Only after `start`.
    """
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    assert _tracer is not None  # noqa: S101 - see above
    parent = TraceContextTextMapPropagator().extract(headers) if headers else None
    begun = _tracer.start_span(name, context=parent, kind=trace.SpanKind.SERVER)
    context = begun.get_span_context()
    trace_id = trace.format_trace_id(context.trace_id) if context.is_valid else None
    return trace_id, trace.use_span(begun, end_on_exit=True)


def _is_left_out() -> bool:
    """Whether the sampler left out the trace that this work is a part of."""
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    return context.is_valid and not context.trace_flags.sampled


def mark_failed(failed: Any) -> None:
    """Say of a span that it ended badly. Only after `start`."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    failed.set_status(StatusCode.ERROR)


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the `traceparent` of the present span to the headers of a call."""
    if _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    TraceContextTextMapPropagator().inject(headers)
