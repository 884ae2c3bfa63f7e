"""/metrics covers all workers, whichever worker answers."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from prometheus_client.samples import Sample

from tests.support.clients import plain_http
from tests.support.clients.crowd import ask_at_once
from tests.support.metrics_page import labels, samples, value
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

REQUESTS = "http_request_duration_seconds_count"
READS = "cache_reads_total"
LOOKUPS = "cache_lookups_total"
CALLS = "upstream_call_duration_seconds_count"
_days = count(10)
pytestmark = pytest.mark.usefixtures("sandbox")  # without faults


class Increase:
    """The increase of a service's samples since this was created."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before = {_identity(sample): sample.value for sample in samples(service)}

    def __call__(self, name: str, **labels: str) -> float:
        """The sum over samples of that name with at least these labels."""
        risen = self._risen(name)
        return sum(sample.value for sample in risen if labels.items() <= sample.labels.items())

    def labels(self, name: str, label: str) -> set[str]:
        """Every value of a label among samples that have increased."""
        return {sample.labels[label] for sample in self._risen(name)}

    def _risen(self, name: str) -> list[Sample]:
        return [
            sample._replace(value=sample.value - before)
            for sample in samples(self._service, f"flight_price_{name}")
            if sample.value > (before := self._before.get(_identity(sample), 0))
        ]


def _identity(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())


@pytest.fixture(scope="module")
def service(shared_sandbox: SandboxServer, shared_redis: RedisServer) -> Iterator[Service]:
    """A service that several tests share; they look at increases only."""
    shared_sandbox.clear()
    shared_redis.client.flushall()
    settings = {"redis_url": shared_redis.url, "web_concurrency": 2, "amadeus_timeout": 2}
    with Service.on(shared_sandbox, **settings) as service:
        eventually(lambda: value(service, "workers") == 2)
        yield service


@pytest.fixture(scope="module")
def short_ttl_service(shared_sandbox: SandboxServer) -> Iterator[Service]:
    """A service with a TTL of one second and paced calls."""
    shared_sandbox.clear()
    with Service.on(shared_sandbox, cache_ttl=1, amadeus_rate_limit=4) as service:
        yield service


@pytest.fixture
def increase(service: Service) -> Increase:
    return Increase(service)


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def ping(service: Service) -> None:
    """Send a request on a new connection, so that any worker may answer."""
    plain_http.get(f"{service.url}/ping")


def test_requests_are_counted_over_all_workers(service: Service, increase: Increase) -> None:
    for _ in range(40):
        ping(service)

    assert increase(REQUESTS, route="/ping", method="GET", status="200") == 40


def test_counters_survive_a_worker_exit(service: Service, increase: Increase) -> None:
    for _ in range(10):
        ping(service)
    first, _ = service.workers()

    os.kill(first, signal.SIGKILL)

    eventually(lambda: len(set(service.workers()) - {first}) == 2)
    eventually(lambda: value(service, "workers") == 2)
    for _ in range(10):
        ping(service)
    assert increase(REQUESTS, route="/ping") == 20


def test_counters_survive_a_reload(service: Service, increase: Increase) -> None:
    before = set(service.workers())
    ping(service)

    service.process.send_signal(signal.SIGHUP)

    eventually(lambda: len(service.workers()) == 2 and not before & set(service.workers()))
    assert increase(REQUESTS, route="/ping") == 1
    eventually(lambda: value(service, "workers") == 2)


def test_hostile_paths_and_methods_create_no_metric_labels(
    service: Service, increase: Increase
) -> None:
    for number in range(50):
        service.get(f"/flights/price/{number}")
        service.get(f"/%00{number}")
        service.get("/flights/price", origin=f"X{number}", **{f"p{number}": "1"})
        service.http.request(f"METHOD{number}", "/flights/price")
    send_raw(service, b"BREW /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert increase.labels(REQUESTS, "route") == {"/flights/price", "unmatched", "/metrics"}
    assert increase.labels(REQUESTS, "method") == {"GET", "other"}
    assert increase.labels(REQUESTS, "status") <= {"200", "400", "404", "405", "414"}


def test_cache_outcomes_are_counted(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    service.price(date=day)
    service.price(date=day)
    service.price(date=day, nocache="1")
    sandbox.fault("search", "status", "500")
    service.price(date=day, origin="BOS")

    for outcome in ("miss", "hit", "bypass", "error"):
        assert increase(LOOKUPS, outcome=outcome) == 1, outcome
    assert increase.labels(READS, "layer") == {"process", "redis"}


def test_price_reads_and_token_reads_are_counted_separately(
    service: Service, increase: Increase, day: str
) -> None:
    service.price(date=day)
    service.price(date=day)
    assert increase(READS, kind="price", result="found") == 1
    absent = increase(READS, kind="price", result="absent")

    service.price(date=day, nocache="1")

    assert increase(READS, kind="price") == 1 + absent
    assert labels(service, READS, "kind") == {"price", "token"}


def test_search_refused_by_amadeus_is_not_counted_as_a_failure(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    sandbox.fault("search", "status", "400:425")

    service.price(date=day)

    assert increase(LOOKUPS, outcome="rejected") == 1
    assert increase(LOOKUPS, outcome="error") == 0


def test_stale_responses_are_counted(
    short_ttl_service: Service, sandbox: SandboxServer, day: str
) -> None:
    increase = Increase(short_ttl_service)
    short_ttl_service.price(date=day)
    sandbox.fault("search", "status", "500")

    eventually(lambda: short_ttl_service.price(date=day).headers["X-Cache"] == "stale")

    assert increase(LOOKUPS, outcome="stale") == 1


def test_callers_who_share_a_fetch_are_counted(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    sandbox.fault("search", "latency", 1500, count=1)

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda _: service.price(date=day), range(8)))

    assert increase("cache_coalesced_total") == 7
    assert increase(CALLS, call="search") == 1


def test_amadeus_calls_are_counted_by_status(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    service.price(date=day)
    sandbox.fault("search", "status", "500", count=1)
    service.price(date=day, origin="BOS")

    assert increase(CALLS, call="search", status="200") == 2
    assert increase(CALLS, call="search", status="500") == 1
    assert increase("upstream_retries_total") == 1


def test_amadeus_call_without_a_reply_is_counted_by_our_error_code(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    sandbox.fault("search", "hang")

    service.price(date=day)

    assert increase(CALLS, call="search", status="amadeus-timeout") == 1


def test_nonexistent_status_creates_no_metric_label(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    sandbox.fault("search", "status", "599")

    service.price(date=day)

    assert increase.labels(CALLS, "status") == {"other"}


def test_waiting_time_for_a_pacing_turn_is_measured(short_ttl_service: Service) -> None:
    increase = Increase(short_ttl_service)
    ask_at_once([short_ttl_service.price_url(next(_days)) for _ in range(3)])

    assert increase("upstream_paced_wait_seconds_count") >= 2
    assert increase("upstream_paced_wait_seconds_sum") > 0.1


def test_token_age_and_lifetime_are_visible_in_metrics(
    service: Service, sandbox: SandboxServer, increase: Increase, day: str
) -> None:
    assert value(service, "token_life_seconds") > 1000
    sandbox.revoke_tokens()
    service.price(date=day)

    assert increase("token_rejected_total") == 1
    assert increase("token_fetches_total", result="fetched") == sandbox.calls("token") == 1
    assert increase(CALLS, call="token", status="200") == 1


def test_redis_outage_and_recovery_are_visible_in_metrics(
    service: Service, increase: Increase, redis_server: RedisServer
) -> None:
    redis_server.kill()
    try:
        eventually(lambda: value(service, "redis_down_workers") == 2)
        assert increase("redis_errors_total", kind="connection") >= 2
    finally:
        redis_server.start()

    eventually(lambda: value(service, "redis_down_workers") == 0)


def test_errors_are_counted_by_code_with_the_time_of_the_latest(
    service: Service, increase: Increase
) -> None:
    began = time.time()

    service.price(origin="NOWHERE")

    assert increase("problems_total", code="invalid-request") == 1
    assert value(service, "problem_last_timestamp_seconds", code="invalid-request") >= began


def send_raw(service: Service, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request)
        return connection.recv(65536)
