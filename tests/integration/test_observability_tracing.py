"""Spans go to a collector where there is one; without one, nothing of them is there."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.tracing import TRACES_A_SECOND
from tests.collector import Collector, attributes
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service
from tests.upstream_recorder import UpstreamRecorder
from tests.wire import PING, Wire, statuses

ROOT = Path(__file__).resolve().parents[2]
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def spans(collector: Collector) -> Collector:
    collector.forget()
    return collector


@pytest.fixture
def service(
    spans: Collector, sandbox: SandboxServer, redis_server: RedisServer
) -> Iterator[Service]:
    with Service.on(
        sandbox,
        redis_url=redis_server.url,
        web_concurrency=1,
        otel_exporter_otlp_endpoint=spans.url,
        **SOON,
    ) as service:
        yield service


def test_a_request_is_one_trace_from_the_client_to_amadeus(
    service: Service, spans: Collector
) -> None:
    service.http.headers.update(TRACEPARENT)
    service.price()

    (request,) = eventually(lambda: spans.named("GET /flights/price"))
    (cache,) = eventually(lambda: spans.named("cache"))
    (call,) = eventually(lambda: spans.named("amadeus search"))

    assert {span.trace_id.hex() for span in (request, cache, call)} == {TRACE_ID}
    assert request.parent_span_id.hex() == PARENT_ID
    assert cache.parent_span_id == request.span_id
    assert call.parent_span_id == cache.span_id


def test_what_its_client_leaves_out_is_left_out_all_the_way(
    service: Service, spans: Collector
) -> None:
    service.http.headers.update({"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"})
    service.price()
    del service.http.headers["traceparent"]
    service.price()

    eventually(lambda: spans.named("GET /flights/price"))
    assert TRACE_ID not in {span.trace_id.hex() for span in spans.spans}
    assert service.log("http.request", trace_id=TRACE_ID)


def test_a_span_tells_what_came_of_it(service: Service, spans: Collector) -> None:
    request_id = service.price().headers["X-Request-ID"]

    (request,) = eventually(lambda: spans.named("GET /flights/price"))
    (cache,) = eventually(lambda: spans.named("cache"))
    (call,) = eventually(lambda: spans.named("amadeus search"))

    assert attributes(request) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/flights/price",
        "url.path": "/flights/price",
        "request_id": request_id,
    }
    assert attributes(cache) == {"cache.outcome": "miss"}
    assert attributes(call) == {"http.response.status_code": 200}
    assert spans.services == {"flight-price-api"}


def test_whoever_waits_for_another_shows_it(
    service: Service, spans: Collector, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 400, count=1)

    with ThreadPoolExecutor(3) as crowd:
        list(crowd.map(lambda _: service.price(), range(3)))

    eventually(lambda: len(spans.named("cache")) == 3)
    assert len(spans.named("lock wait")) == 2
    assert len(spans.named("amadeus search")) == 1


def test_whoever_waits_for_another_process_shows_it(
    service: Service, spans: Collector, sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    sandbox.fault("search", "latency", 400, count=1)
    settings = {"redis_url": redis_server.url, "web_concurrency": 1}
    with (
        Service.on(sandbox, otel_exporter_otlp_endpoint=spans.url, **settings, **SOON) as another,
        ThreadPoolExecutor(2) as crowd,
    ):
        list(crowd.map(lambda one: one.price(), (service, another)))
        eventually(lambda: len(spans.named("cache")) == 2)

    assert len(spans.named("lock wait")) == 1


def test_a_failed_call_is_a_failed_span(
    service: Service, spans: Collector, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "close")

    service.price()

    (request,) = eventually(lambda: spans.named("GET /flights/price"))
    assert request.status.code == request.status.STATUS_CODE_ERROR
    assert all(
        call.status.code == call.status.STATUS_CODE_ERROR for call in spans.named("amadeus search")
    )


def test_the_log_tells_the_trace(service: Service) -> None:
    service.http.headers.update(TRACEPARENT)
    service.price()

    (line,) = eventually(lambda: service.log("http.request", path="/flights/price"))

    assert line["trace_id"] == TRACE_ID
    assert all(one["trace_id"] == TRACE_ID for one in service.log("amadeus.call", status=200)[1:])


def test_what_is_refused_is_no_part_of_the_trace_before(service: Service) -> None:
    traced = PING[:-2] + f"traceparent: {TRACEPARENT['traceparent']}\r\n\r\n".encode()

    with Wire(service) as wire:
        assert statuses(wire.ask(traced + b"no HTTP\r\n\r\n")) == [200, 400]

    (line,) = eventually(lambda: service.log("client.refused"))
    assert "trace_id" not in line
    assert service.log("http.request", path="/flights/ping", trace_id=TRACE_ID)


@pytest.mark.parametrize("flags", ["00", "01"])
def test_amadeus_is_told_the_trace(spans: Collector, flags: str) -> None:
    with (
        UpstreamRecorder() as amadeus,
        Service(
            amadeus_base_url=amadeus.url,
            amadeus_client_id="id",
            amadeus_client_secret="secret",
            otel_exporter_otlp_endpoint=spans.url,
        ) as service,
    ):
        service.http.headers["traceparent"] = f"00-{TRACE_ID}-{PARENT_ID}-{flags}"
        service.http.headers["tracestate"] = "nothing, that \xe9ver was one"
        service.price()

    told = amadeus.headers_of("/v2/shopping/flight-offers")[0]
    assert told["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert told["traceparent"].endswith(f"-{flags}")
    assert "tracestate" not in told


def test_a_trace_that_makes_no_sense_begins_a_new_one(service: Service, spans: Collector) -> None:
    service.http.headers.update({"traceparent": "00-nonsense"})
    service.price()

    (request,) = eventually(lambda: spans.named("GET /flights/price"))

    assert request.parent_span_id == b""


def test_variables_of_opentelemetry_have_their_meaning(spans: Collector) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=of%20the%20collector",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=fares,team=blue",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0",
    }
    with Service(otel_exporter_otlp_endpoint=spans.url, **variables) as service:
        service.get("/ping")
        service.http.get("/ping", headers=TRACEPARENT)

    assert {span.trace_id.hex() for span in spans.named("GET /ping")} == {TRACE_ID}
    assert (spans.services, spans.keys) == ({"fares"}, {"of the collector"})


def test_of_the_traces_that_begin_here_a_second_has_so_many(spans: Collector) -> None:
    asked = 6 * TRACES_A_SECOND
    with Service(otel_exporter_otlp_endpoint=spans.url, web_concurrency=1) as service:
        began = int(time.monotonic())
        for _ in range(asked):
            service.price()
        seconds = int(time.monotonic()) - began + 1
        lines = service.log("http.request", path="/flights/price")

    collected = len(spans.named("GET /flights/price"))
    assert 0 < collected <= seconds * TRACES_A_SECOND < asked
    assert len([line for line in lines if "trace_id" in line]) == collected
    assert len(spans.named("cache")) == collected


def test_who_has_begun_a_trace_is_not_left_out(spans: Collector) -> None:
    asked = TRACES_A_SECOND * 2
    with Service(otel_exporter_otlp_endpoint=spans.url, web_concurrency=1) as service:
        service.http.headers.update(TRACEPARENT)
        for _ in range(asked):
            service.get("/ping")

    assert len(spans.named("GET /ping")) == asked


def test_switched_off_it_leaves_no_trace(spans: Collector) -> None:
    with Service(otel_exporter_otlp_endpoint=spans.url, OTEL_SDK_DISABLED="true") as service:
        assert service.price().status_code == 200

        assert not [line for line in service.log() if "trace_id" in line]
    assert spans.spans == []


def test_a_collector_that_is_gone_harms_nobody(sandbox: SandboxServer) -> None:
    with Service.on(sandbox, otel_exporter_otlp_endpoint="http://127.0.0.1:9", **SOON) as service:
        assert service.price().status_code == 200
        assert service.price().headers["X-Cache"] == "hit"


def test_without_a_collector_the_service_imports_nothing_of_it() -> None:
    """Redis' client looks for it by itself, and finds it only where it is installed."""
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
