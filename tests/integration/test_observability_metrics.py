"""/metrics tells of all workers, whichever is asked, and of everything that happened."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests import plain_http
from tests.metrics_page import labels, samples, value
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service

REQUESTS = "http_request_duration_seconds_count"
READS = "cache_reads_total"
LOOKUPS = "cache_lookups_total"
CALLS = "upstream_call_duration_seconds_count"


@pytest.fixture
def service(sandbox: SandboxServer, redis_server: RedisServer) -> Iterator[Service]:
    with Service.on(sandbox, redis_url=redis_server.url, web_concurrency=2) as service:
        eventually(lambda: value(service, "workers") == 2)
        yield service


@pytest.fixture(scope="module")
def plain() -> Iterator[Service]:
    """One that several tests look at, and none of them changes."""
    with Service() as service:
        yield service


def ping(service: Service) -> None:
    """On a connection of its own, so that any worker may be the one that answers."""
    plain_http.get(f"{service.url}/ping")


def test_requests_are_counted_over_all_workers(service: Service) -> None:
    for _ in range(40):
        ping(service)

    assert value(service, REQUESTS, route="/ping", method="GET", status="200") == 40


def test_counts_outlive_a_worker(service: Service) -> None:
    for _ in range(10):
        ping(service)
    first, _ = service.workers()

    os.kill(first, signal.SIGKILL)

    eventually(lambda: len(set(service.workers()) - {first}) == 2)
    eventually(lambda: value(service, "workers") == 2)
    for _ in range(10):
        ping(service)
    assert value(service, REQUESTS, route="/ping") == 20


def test_a_reload_keeps_the_counts(service: Service) -> None:
    before = set(service.workers())
    ping(service)

    service.process.send_signal(signal.SIGHUP)

    eventually(lambda: len(service.workers()) == 2 and not before & set(service.workers()))
    assert value(service, REQUESTS, route="/ping") == 1
    eventually(lambda: value(service, "workers") == 2)


def test_hostile_paths_and_methods_make_no_labels(service: Service) -> None:
    for number in range(50):
        service.get(f"/flights/price/{number}")
        service.get(f"/%00{number}")
        service.get("/flights/price", origin=f"X{number}", **{f"p{number}": "1"})
        service.http.request(f"METHOD{number}", "/flights/price")
    send_raw(service, b"BREW /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert labels(service, REQUESTS, "route") == {"/flights/price", "unmatched", *PROBES}
    assert labels(service, REQUESTS, "method") == {"GET", "other"}
    assert labels(service, REQUESTS, "status") <= {"200", "400", "404", "405", "414", "503"}


def test_each_outcome_of_the_cache_is_counted(service: Service, sandbox: SandboxServer) -> None:
    service.price()
    service.price()
    service.price(nocache="1")
    sandbox.fault("search", "status", "500")
    service.price(origin="BOS")

    for outcome in ("miss", "hit", "bypass", "error"):
        assert value(service, LOOKUPS, outcome=outcome) == 1, outcome
    assert labels(service, READS, "layer") == {"process", "redis"}


def test_reads_of_prices_are_told_from_those_of_the_token(service: Service) -> None:
    service.price()
    service.price()
    assert value(service, READS, kind="price", result="found") == 1
    absent = value(service, READS, kind="price", result="absent")

    service.price(nocache="1")

    assert value(service, READS, kind="price") == 1 + absent
    assert labels(service, READS, "kind") == {"price", "token"}


def test_a_search_that_amadeus_refuses_is_no_failure(
    service: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", "400:425")

    service.price()

    assert value(service, LOOKUPS, outcome="rejected") == 1
    assert value(service, LOOKUPS, outcome="error") == 0


def test_a_stale_answer_is_counted(sandbox: SandboxServer, redis_server: RedisServer) -> None:
    with Service.on(sandbox, redis_url=redis_server.url, cache_ttl=1) as service:
        service.price()
        sandbox.fault("search", "status", "500")

        eventually(lambda: service.price().headers["X-Cache"] == "stale")

        assert value(service, LOOKUPS, outcome="stale") == 1


def test_callers_who_share_a_fetch_are_counted(service: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 500, count=1)

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda _: service.price(), range(8)))

    assert value(service, "cache_coalesced_total") == 7
    assert value(service, CALLS, call="search") == 1


def test_calls_to_amadeus_are_counted_by_status(service: Service, sandbox: SandboxServer) -> None:
    service.price()
    sandbox.fault("search", "status", "500", count=1)
    service.price(origin="BOS")

    assert value(service, CALLS, call="search", status="200") == 2
    assert value(service, CALLS, call="search", status="500") == 1
    assert value(service, "upstream_retries_total") == 1
    assert value(service, CALLS, call="token", status="200") == 1


def test_an_answer_that_never_came_is_counted_by_our_code(sandbox: SandboxServer) -> None:
    sandbox.fault("search", "hang")
    with Service.on(sandbox, amadeus_timeout=0.3) as service:
        service.price()

        assert value(service, CALLS, call="search", status="amadeus-timeout") == 1


def test_a_status_that_does_not_exist_makes_no_label(
    service: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", "599")

    service.price()

    assert labels(service, CALLS, "status") == {"200", "other"}


def test_waiting_for_a_turn_is_counted(sandbox: SandboxServer) -> None:
    with Service.on(sandbox, amadeus_rate_limit=4) as service:
        for origin in ("BOS", "ORD", "SFO"):
            service.price(origin=origin)

        assert value(service, "upstream_paced_wait_seconds_count") >= 2
        assert value(service, "upstream_paced_wait_seconds_sum") > 0.1


def test_an_open_circuit_shows(sandbox: SandboxServer) -> None:
    with Service.on(sandbox) as service:
        sandbox.fault("search", "status", "500")
        for number in range(10):
            service.price(adults=str(1 + number % 9), currency="USD" if number > 8 else "EUR")

        assert value(service, "breaker_open_workers") == 1
        assert value(service, "breaker_opened_total") == 1


def test_the_token_shows_its_age_and_life(service: Service, sandbox: SandboxServer) -> None:
    assert value(service, "token_life_seconds") > 1000
    assert value(service, "token_fetches_total", result="fetched") == 1
    sandbox.revoke_tokens()
    service.price()
    assert value(service, "token_rejected_total") == 1


def test_a_redis_that_is_gone_shows_and_so_does_its_return(
    service: Service, redis_server: RedisServer
) -> None:
    redis_server.kill()
    try:
        eventually(lambda: value(service, "redis_down_workers") == 2)
        assert value(service, "redis_errors_total", kind="connection") >= 2
    finally:
        redis_server.start()

    eventually(lambda: value(service, "redis_down_workers") == 0)


def test_errors_are_counted_by_code_with_the_time_of_the_last(plain: Service) -> None:
    plain.price(origin="NOWHERE")

    assert value(plain, "problems_total", code="invalid-request") == 1
    assert value(plain, "problem_last_timestamp_seconds", code="invalid-request") > 1.7e9


def test_what_has_not_happened_yet_has_a_count_that_can_rise(plain: Service) -> None:
    calls = [sample.labels for sample in samples(plain, f"flight_price_{CALLS}")]

    assert {"call": "search", "status": "200"} in calls
    assert labels(plain, "problems_total", "code") >= {"no-offers", "amadeus-quota", "not-found"}


def test_the_build_shows(plain: Service) -> None:
    (build,) = samples(plain, "flight_price_build_info")

    assert build.labels["version"] == plain.get("/version").json()["version"]
    assert build.labels["environment"] == "sandbox"


def test_openmetrics_is_there_for_who_asks(plain: Service) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    response = plain.http.get("/metrics", headers={"Accept": accept})

    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]


def test_openmetrics_is_not_there_for_who_would_rather_not(plain: Service) -> None:
    accept = "text/plain, application/openmetrics-text;q=0"

    response = plain.http.get("/metrics", headers={"Accept": accept})

    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=x", "a;q=b"]
)
def test_an_odd_accept_header_harms_nothing(plain: Service, accept: str) -> None:
    assert plain.http.get("/metrics", headers={"Accept": accept}).status_code == 200


PROBES = {"/readyz", "/metrics"}


def send_raw(service: Service, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request)
        return connection.recv(65536)
