"""Stopping, reloading and losing a worker."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import httpx2
import pytest
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from tests.support.clients import plain_http
from tests.support.clients.crowd import ask_at_once
from tests.support.clients.load import Load
from tests.support.clients.wire import PING, Wire, statuses
from tests.support.processes import MAX_START_SECONDS, connections_of, eventually, first_good
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET, Service, some_day

pytestmark = pytest.mark.long


@pytest.fixture
def service(redis_server: RedisServer, sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(sandbox, redis_url=redis_server.url, web_concurrency=1) as service:
        yield service


@pytest.fixture(scope="module")
def two_workers(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Service]:
    """A shared service with two workers; each request uses a new connection."""
    settings = {"redis_url": shared_redis.url, "web_concurrency": 2}
    with Service.on(shared_sandbox, **settings) as service:
        service.http.close()
        eventually(lambda: len(service.log("service.warmed")) == 2)
        yield service


def has_logged(service: Service, text: str) -> bool:
    return text in service.log_text


def test_sigterm_lets_running_requests_finish(service: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 2000)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ask_at_once, [service.price_url(ahead) for ahead in range(1, 11)])
        eventually(lambda: sandbox.counters()["search"]["calls"] == 10)
        assert service.stop() == 0
        assert {reply.status for reply in waiting.result()} == {200}


def test_stop_during_a_request_leaves_no_lock_behind(
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


def test_stop_during_a_refresh_leaves_no_lock_behind(
    sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 1, "cache_ttl": 2}
    with Service.on(sandbox, **settings) as service:
        service.price()
        sandbox.fault("search", "latency", 20_000)
        eventually(lambda: service.price().status_code == 200 and redis_server.keys("*:lock"))
        service.stop()
        assert redis_server.keys("*:lock") == []


def test_stop_closes_every_connection_pool(amadeus: SandboxServer) -> None:
    with RedisServer() as own_redis:

        def opened() -> tuple[int, int]:
            with own_redis.client as own:
                return len(own.client_list()), amadeus.counters()["connections"]["open"]

        by_ourselves = (1, 0)
        assert opened() == by_ourselves
        with worker_in_this_process(amadeus, own_redis) as worker:
            query = {"origin": "JFK", "destination": "LAX", "date": some_day()}
            assert worker.get("/flights/price", params=query).status_code == 200
            of_redis, of_amadeus = opened()
            assert of_redis > 1
            assert of_amadeus > 0
        eventually(lambda: opened() == by_ourselves)


def test_readiness_reports_stopping_before_connections_close(
    service: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 3000)
    with ThreadPoolExecutor() as threads, plain_http.client() as client:
        client.get(f"{service.url}/readyz")
        waiting = threads.submit(ask_at_once, [service.price_url()])
        eventually(lambda: sandbox.counters()["search"]["calls"])
        service.process.send_signal(signal.SIGTERM)
        # On the existing connection: new ones will soon be refused.
        said = first_good(lambda: client.get(f"{service.url}/readyz"), lambda it: it.is_error)
        assert (said.status_code, said.json()["status"]) == (503, "stopping")
        assert waiting.result()[0].status == 200


@pytest.mark.timing
def test_idle_clients_delay_the_stop_by_at_most_five_seconds(service: Service) -> None:
    service.http.close()
    with Wire(service) as idle:
        idle.send(PING)
        eventually(lambda: service.log("http.request", path="/flights/ping"))
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert statuses(idle.read()) == [200]
        assert time.monotonic() - started < 5.5
    # gunicorn checks once a second whether all workers have exited.
    assert service.process.wait(started + 7 - time.monotonic()) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_service_stopped_during_start_up_exits_cleanly(
    sandbox: SandboxServer, number: signal.Signals
) -> None:
    for line in ("Listening at", "Booting worker", "service.warmed"):
        with Service.on(sandbox).just_launched() as service:
            eventually(partial(has_logged, service, line), MAX_START_SECONDS)
            service.process.send_signal(number)
            assert service.process.wait(7) == 0
            assert "Traceback" not in service.log_text, service.log_text


def test_sighup_reload_fails_no_request_and_keeps_the_token(
    two_workers: Service, sandbox: SandboxServer
) -> None:
    before = set(two_workers.workers())
    sandbox.fault("search", "latency", 2000, origin="JFK")
    with ThreadPoolExecutor() as one, Load(two_workers.url, per_second=20, routes=40) as load:
        slow = one.submit(ask_at_once, [two_workers.price_url()])
        eventually(lambda: len(load.outcomes) > 20)  # so the connection pools are in use
        two_workers.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & set(two_workers.workers()))
        asked = len(load.outcomes)
        eventually(lambda: len(load.outcomes) > asked + 20)
    assert (load.failed(), slow.result()[0].status) == ([], 200)
    assert sandbox.counters()["token"]["calls"] == 0


def test_killed_worker_is_replaced_and_fails_only_its_own_requests(
    two_workers: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 1500)
    victim, survivor = two_workers.workers()
    urls = [two_workers.price_url(ahead) for ahead in range(101, 121)]  # an unknown method
    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(ask_at_once, [url]) for url in urls]
        eventually(lambda: sandbox.counters()["search"]["calls"] == 20)
        its_own = connections_of(victim, two_workers.port)
        os.kill(victim, signal.SIGKILL)
        assert sum(request.exception() is not None for request in asked) == its_own
    eventually(lambda: len(two_workers.workers()) == 2 and victim not in two_workers.workers())
    assert survivor in two_workers.workers()
    assert ask_at_once([two_workers.price_url()])[0].status == 200


@contextmanager
def worker_in_this_process(
    sandbox: SandboxServer, redis_server: RedisServer
) -> Iterator[httpx2.Client]:
    """A worker from warm-up to stop. Its process goes on, so leaked connections stay visible."""
    application = create_app(
        Settings(
            amadeus_base_url=sandbox.url,
            amadeus_client_id=SecretStr(CLIENT_ID),
            amadeus_client_secret=SecretStr(CLIENT_SECRET),
            redis_url=SecretStr(redis_server.url),
        )
    )
    application.warm_up()
    transport = httpx2.WSGITransport(app=application)
    try:
        with httpx2.Client(transport=transport, base_url="http://service") as client:
            yield client
    finally:
        application.stop()
