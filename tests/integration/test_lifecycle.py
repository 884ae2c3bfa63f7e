"""Going up and down, and what a killed worker costs."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2
import pytest

from tests import plain_http
from tests.crowd import ask_at_once
from tests.processes import connections_of, eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service


@pytest.fixture
def service(redis_server: RedisServer, sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(sandbox, redis_url=redis_server.url, web_concurrency=2) as service:
        yield service


def has_logged(service: Service, text: str) -> bool:
    return text in service.log_text


def test_sigterm_lets_requests_in_flight_finish(service: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 2000)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ask_at_once, [service.price_url(ahead) for ahead in range(1, 11)])
        eventually(lambda: sandbox.counters()["search"]["calls"] == 10)
        assert service.stop() == 0
        assert {reply.status for reply in waiting.result()} == {200}


def test_a_stop_that_cuts_a_request_off_leaves_no_lock_behind(
    sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "gunicorn_cmd_args": "--graceful-timeout 6"}
    with Service.on(sandbox, web_concurrency=1, **settings) as service, ThreadPoolExecutor() as one:
        sandbox.fault("search", "latency", 9000)
        cut_off = one.submit(ask_at_once, [service.price_url()])
        eventually(lambda: redis_server.keys("*:lock"))
        assert service.stop() == 0
        assert redis_server.keys("*:lock") == []
        assert isinstance(cut_off.exception(), httpx2.TransportError)


def test_a_stop_in_the_middle_of_a_refresh_leaves_no_lock_behind(
    sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 1, "cache_ttl": 2}
    with Service.on(sandbox, **settings) as service:
        service.price()
        sandbox.fault("search", "latency", 20_000)
        eventually(lambda: service.price().status_code == 200 and redis_server.keys("*:lock"))
        service.stop()
        assert redis_server.keys("*:lock") == []


def test_readiness_says_stopping_first(service: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 3000)
    with ThreadPoolExecutor() as threads, plain_http.client() as client:
        client.get(f"{service.url}/readyz")
        waiting = threads.submit(ask_at_once, [service.price_url()])
        eventually(lambda: sandbox.counters()["search"]["calls"])
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: client.get(f"{service.url}/readyz").status_code == 503)
        assert client.get(f"{service.url}/readyz").json()["status"] == "stopping"
        assert waiting.result()[0].status == 200


def test_idle_clients_hold_the_end_up_for_five_seconds_at_most(service: Service) -> None:
    with plain_http.client() as idle:
        for _ in range(10):
            idle.get(f"{service.url}/flights/ping")
        started = time.monotonic()
        service.stop()
        assert time.monotonic() - started < 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_however_early_it_is_told_to(
    sandbox: SandboxServer, number: signal.Signals
) -> None:
    for line in ("Listening at", "Booting worker", "service.warmed"):
        with Service.on(sandbox).just_launched() as service:
            eventually(partial(has_logged, service, line))
            service.process.send_signal(number)
            assert service.process.wait(7) == 0
            assert "Traceback" not in service.log_text


def test_sighup_reloads_without_a_failed_request_or_a_new_token(
    service: Service, sandbox: SandboxServer
) -> None:
    before = service.workers()
    service.process.send_signal(signal.SIGHUP)
    statuses = set()
    while set(before) & set(service.workers()) or len(service.workers()) < 2:
        statuses.add(ask_at_once([service.price_url()])[0].status)
    assert statuses == {200}
    assert sandbox.counters()["token"]["calls"] == 1


def test_a_killed_worker_comes_back_and_costs_only_its_own_requests(
    service: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 1500)
    service.http.close()  # from here on each request has a connection of its own
    victim, survivor = service.workers()
    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(ask_at_once, [service.price_url(ahead)]) for ahead in range(1, 21)]
        eventually(lambda: sandbox.counters()["search"]["calls"] == 20)
        its_own = connections_of(victim, service.port)
        os.kill(victim, signal.SIGKILL)
        assert sum(request.exception() is not None for request in asked) == its_own
    eventually(lambda: len(service.workers()) == 2 and victim not in service.workers())
    assert survivor in service.workers()
    assert ask_at_once([service.price_url()])[0].status == 200
