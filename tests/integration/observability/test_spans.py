"""Spans are sent to a configured collector; without one, tracing is not even imported."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from api.telemetry.tracing import TRACES_A_SECOND
from tests.support.clients import plain_http
from tests.support.clients.wire import PING, Wire, statuses
from tests.support.processes import eventually
from tests.support.servers.balancer import Balancer
from tests.support.servers.collector import Collector, attributes
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day
from tests.support.servers.upstream_recorder import UpstreamRecorder

pytestmark = pytest.mark.usefixtures("sandbox")  # without faults
ROOT = Path(__file__).resolve().parents[3]
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
_days = count(10)


@pytest.fixture
def spans() -> Iterator[Collector]:
    """A collector for this test alone."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """The collector of `service`; each test finds its spans by trace id."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def service(
    collector: Collector, shared_sandbox: SandboxServer, shared_redis: RedisServer
) -> Iterator[Service]:
    shared_sandbox.clear()
    shared_redis.client.flushall()
    with traced(shared_sandbox, shared_redis, collector) as service:
        yield service


def traced(sandbox: SandboxServer, redis: RedisServer, collector: Collector) -> Service:
    settings = {"redis_url": redis.url, "web_concurrency": 1, **SOON}
    settings["forwarded_allow_ips"] = "127.0.0.1"  # a trusted sender
    return Service.on(sandbox, otel_exporter_otlp_endpoint=collector.url, **settings)


@pytest.fixture
def trace_id(service: Service) -> Iterator[str]:
    """The trace id of all requests of a test."""
    trace_id = uuid4().hex
    service.http.headers["traceparent"] = traceparent(trace_id)
    yield trace_id
    del service.http.headers["traceparent"]


def traceparent(trace_id: str, flags: str = "01") -> str:
    return f"00-{trace_id}-{PARENT_ID}-{flags}"


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def await_all(service: Service, collector: Collector) -> None:
    """Wait until the collector has the spans of all earlier requests; spans arrive in order."""
    last = uuid4().hex
    service.http.get("/ping", headers={"traceparent": traceparent(last)})
    eventually(lambda: collector.named("GET /ping", last))


def test_request_is_one_trace_from_the_client_to_amadeus(
    service: Service, collector: Collector, trace_id: str, day: str
) -> None:
    service.price(date=day)
    await_all(service, collector)

    (request,) = collector.named("GET /flights/price", trace_id)
    (cache,) = collector.named("cache", trace_id)
    (call,) = collector.named("amadeus search", trace_id)
    assert request.parent_span_id.hex() == PARENT_ID
    assert cache.parent_span_id == request.span_id
    assert call.parent_span_id == cache.span_id


def test_span_of_a_stream_lasts_until_its_end(
    service: Service, collector: Collector, trace_id: str, day: str
) -> None:
    query = {"origin": "JFK", "destination": "LAX", "from": day, "to": some_day(next(_days))}
    service.price(date=day)  # is sent before the other day is fetched
    service.http.get(
        "/flights/calendar", params=query, headers={"Accept": "application/x-ndjson"}
    ).raise_for_status()
    await_all(service, collector)

    (request,) = collector.named("GET /flights/calendar", trace_id)
    calls = collector.named("amadeus search", trace_id)
    assert len(calls) == 2
    assert all(call.end_time_unix_nano <= request.end_time_unix_nano for call in calls)


def test_unsampled_trace_stays_unsampled_up_to_amadeus(
    service: Service, collector: Collector, trace_id: str, day: str
) -> None:
    service.http.headers["traceparent"] = traceparent(trace_id, flags="00")
    service.price(date=day)
    await_all(service, collector)

    assert trace_id not in {span.trace_id.hex() for span in collector.spans}
    assert service.log("http.request", trace_id=trace_id)


def test_span_records_the_outcome_of_its_request(
    service: Service, collector: Collector, trace_id: str, day: str
) -> None:
    request_id = service.price(date=day).headers["X-Request-ID"]
    await_all(service, collector)

    (request,) = collector.named("GET /flights/price", trace_id)
    (cache,) = collector.named("cache", trace_id)
    (call,) = collector.named("amadeus search", trace_id)
    assert attributes(request) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/flights/price",
        "url.path": "/flights/price",
        "request_id": request_id,
    }
    assert attributes(cache) == {"cache.outcome": "miss"}
    assert attributes(call) == {"http.response.status_code": 200}
    assert collector.services == {"flight-price-api"}


def test_waiting_for_another_caller_has_a_span(
    service: Service, collector: Collector, sandbox: SandboxServer, trace_id: str, day: str
) -> None:
    sandbox.fault("search", "latency", 1500, count=1)

    with ThreadPoolExecutor(3) as crowd:
        list(crowd.map(lambda _: service.price(date=day), range(3)))

    await_all(service, collector)
    assert len(collector.named("cache", trace_id)) == 3
    assert len(collector.named("lock wait", trace_id)) == 2
    assert len(collector.named("amadeus search", trace_id)) == 1


def test_waiting_for_another_process_has_a_span(
    service: Service,
    collector: Collector,
    sandbox: SandboxServer,
    shared_redis: RedisServer,
    trace_id: str,
    day: str,
) -> None:
    sandbox.fault("search", "latency", 1500, count=1)
    with traced(sandbox, shared_redis, collector) as another, ThreadPoolExecutor(2) as crowd:
        another.http.headers.update(service.http.headers)
        list(crowd.map(lambda one: one.price(date=day), (service, another)))

    await_all(service, collector)
    assert len(collector.named("cache", trace_id)) == 2
    assert len(collector.named("lock wait", trace_id)) == 1


def test_failed_call_is_a_failed_span(
    service: Service, collector: Collector, sandbox: SandboxServer, trace_id: str, day: str
) -> None:
    sandbox.fault("search", "close")

    service.price(date=day)

    await_all(service, collector)
    (request,) = collector.named("GET /flights/price", trace_id)
    calls = collector.named("amadeus search", trace_id)
    assert calls
    assert all(span.status.code == span.status.STATUS_CODE_ERROR for span in (request, *calls))


def test_log_lines_carry_the_trace_id(service: Service, trace_id: str, day: str) -> None:
    request_id = service.price(date=day).headers["X-Request-ID"]

    for event in ("http.request", "amadeus.call"):
        (line,) = service.log(event, request_id=request_id)
        assert line["trace_id"] == trace_id


def test_refused_request_does_not_join_the_previous_trace(service: Service) -> None:
    trace_id = uuid4().hex
    traced = PING[:-2] + f"traceparent: {traceparent(trace_id)}\r\n\r\n".encode()

    with Wire(service) as wire:
        assert statuses(wire.ask(traced + b"no HTTP\r\n\r\n")) == [200, 400]

    line = eventually(lambda: service.log("client.refused"))[-1]
    assert "trace_id" not in line
    assert service.log("http.request", path="/flights/ping", trace_id=trace_id)


def test_amadeus_calls_carry_the_trace_context(spans: Collector) -> None:
    flags = ("00", "01")
    with (
        UpstreamRecorder() as amadeus,
        Service(
            amadeus_base_url=amadeus.url,
            amadeus_client_id="id",
            amadeus_client_secret="secret",
            otel_exporter_otlp_endpoint=spans.url,
        ) as service,
    ):
        service.http.headers["tracestate"] = "nothing, that \xe9ver was one"
        for number, flag in enumerate(flags):
            service.http.headers["traceparent"] = traceparent(TRACE_ID, flag)
            service.price(date=some_day(10 + number))

    told = amadeus.headers_of("/v2/shopping/flight-offers")
    assert all(one["traceparent"].startswith(f"00-{TRACE_ID}-") for one in told)
    assert [one["traceparent"][-3:] for one in told] == ["-00", "-01"]
    assert not any("tracestate" in one for one in told)


def test_invalid_trace_context_starts_a_new_trace(service: Service, collector: Collector) -> None:
    answer = service.http.get("/version", headers={"traceparent": "00-nonsense"})
    await_all(service, collector)

    (request,) = collector.named("GET /version")
    assert attributes(request)["request_id"] == answer.headers["X-Request-ID"]
    assert request.parent_span_id == b""


def test_standard_opentelemetry_variables_are_respected(spans: Collector) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=of%20the%20collector",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=fares,team=blue",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0",
    }
    with Service(otel_exporter_otlp_endpoint=spans.url, **variables) as service:
        service.get("/ping")
        service.http.get("/ping", headers={"traceparent": traceparent(TRACE_ID)})

    assert {span.trace_id.hex() for span in spans.named("GET /ping")} == {TRACE_ID}
    assert (spans.services, spans.keys) == ({"fares"}, {"of the collector"})


def test_new_traces_are_sampled_up_to_a_limit_per_second(
    service: Service, collector: Collector
) -> None:
    """Requests are sent until there are more than the limit, however slow the machine is."""
    service.price()
    await_all(service, collector)
    before = len(collector.spans)
    request_id = uuid4().hex
    head = f"GET {service.price_url()} HTTP/1.1\r\nHost: x\r\nX-Request-ID: {request_id}\r\n\r\n"
    asked, seconds, began = 0, 1, int(time.monotonic())
    while asked <= seconds * TRACES_A_SECOND:
        with Wire(service) as wire:
            asked += len(statuses(wire.ask(head.encode() * TRACES_A_SECOND)))
        seconds = int(time.monotonic()) - began + 1
    await_all(service, collector)

    lines = service.log("cache.hit", request_id=request_id)
    traces = {line["trace_id"] for line in lines if "trace_id" in line}
    names = [span.name for span in collector.spans[before:]]
    assert 0 < len(traces) <= seconds * TRACES_A_SECOND < asked
    assert names.count("GET /flights/price") == names.count("cache") == len(traces)


def test_traces_of_untrusted_clients_count_towards_the_limit_per_second(spans: Collector) -> None:
    traced = PING[:-2] + f"traceparent: {traceparent(TRACE_ID)}\r\n\r\n".encode()
    with Service(otel_exporter_otlp_endpoint=spans.url, web_concurrency=1) as service:
        asked, seconds, began = 0, 1, int(time.monotonic())
        while asked <= seconds * TRACES_A_SECOND:
            with Wire(service) as wire:
                asked += len(statuses(wire.ask(traced * TRACES_A_SECOND)))
            seconds = int(time.monotonic()) - began + 1

    assert 0 < len(spans.named("GET /flights/ping", TRACE_ID)) <= seconds * TRACES_A_SECOND < asked


def test_balancer_removes_trace_context_of_clients(service: Service, collector: Collector) -> None:
    trace_id = uuid4().hex
    client = plain_http.client(headers={"traceparent": traceparent(trace_id)})
    with Balancer([service]) as balancer, client:
        assert client.get(f"{balancer.url}/ping").is_success
    await_all(service, collector)

    assert trace_id not in {span.trace_id.hex() for span in collector.spans}


def test_trace_started_by_the_client_is_always_collected(
    service: Service, collector: Collector, trace_id: str
) -> None:
    asked = TRACES_A_SECOND * 2
    for _ in range(asked):
        service.get("/ping")
    await_all(service, collector)

    assert len(collector.named("GET /ping", trace_id)) == asked


def test_disabled_tracing_sends_no_spans(spans: Collector) -> None:
    with Service(otel_exporter_otlp_endpoint=spans.url, OTEL_SDK_DISABLED="true") as service:
        assert service.price().status_code == 200

        assert not [line for line in service.log() if "trace_id" in line]
    assert spans.spans == []


def test_unreachable_collector_does_not_affect_requests(sandbox: SandboxServer) -> None:
    with Service.on(sandbox, otel_exporter_otlp_endpoint="http://127.0.0.1:9", **SOON) as service:
        assert service.price().status_code == 200
        assert service.price().headers["X-Cache"] == "hit"


def test_service_without_a_collector_imports_no_tracing_package() -> None:
    """The Redis client imports OpenTelemetry by itself if it is installed."""
    looks = """
import sys
import traceback

asked = []

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            stack = [frame.filename for frame in traceback.extract_stack()]
            importer = [file for file in stack if "importlib" not in file][-2]
            asked.append((importer, name))
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import api.wsgi
print([importer for importer, _ in asked if "/api/" in importer])
"""
    run = subprocess.run(
        [sys.executable, "-c", looks],
        cwd=ROOT,
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == "[]"
