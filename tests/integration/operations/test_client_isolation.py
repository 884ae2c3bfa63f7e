"""A misbehaving client does not affect others."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.clients.crowd import ask_at_once
from tests.support.clients.wire import PING, Wire, statuses
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import ROOT, Service, some_day

pytestmark = pytest.mark.usefixtures("redis_server", "sandbox")  # empty, and without faults


@pytest.fixture(scope="module")
def service(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Service]:
    settings = {"redis_url": shared_redis.url, "web_concurrency": 1}
    with Service.on(shared_sandbox, **settings) as service:
        yield service


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port))


def request_line(ahead: int = 30) -> bytes:
    path = f"/flights/price?origin=JFK&destination=LAX&date={some_day(ahead)}"
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode()


def seconds_of_hits(service: Service, count: int) -> list[float]:
    def seconds() -> float:
        started = time.monotonic()
        assert service.price().headers["X-Cache"] == "hit"
        return time.monotonic() - started

    return sorted(seconds() for _ in range(count))


def slowest_hit(service: Service, count: int = 50) -> float:
    return seconds_of_hits(service, count)[-1]


def p95_of_a_hit(service: Service) -> float:
    return seconds_of_hits(service, 200)[190]


def test_disconnected_client_does_not_cancel_the_fetch_of_its_waiters(
    service: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 1000)
    with connect(service) as leaver:
        leaver.sendall(request_line() + b"\r\n")
        eventually(lambda: sandbox.counters()["search"]["calls"] == 1)
    (reply,) = ask_at_once(
        [f"{service.url}/flights/price?origin=JFK&destination=LAX&date={some_day()}"]
    )
    assert reply.status == 200
    assert sandbox.counters()["search"]["calls"] == 1


@pytest.mark.alone
def test_slow_amadeus_does_not_delay_hits(service: Service, sandbox: SandboxServer) -> None:
    service.price()
    idle = p95_of_a_hit(service)
    sandbox.clear()
    sandbox.fault("search", "latency", 5000)
    waiting_for = [service.price_url(ahead) for ahead in range(40, 240)]
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ask_at_once, waiting_for)
        eventually(lambda: sandbox.calls("search") == len(waiting_for))
        busy = p95_of_a_hit(service)
        assert not waiting.done()
        assert {reply.status for reply in waiting.result()} == {200}
    assert busy < 5 * idle


@pytest.mark.alone
def test_slowly_sending_clients_do_not_delay_others(service: Service) -> None:
    service.price()
    with ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(connect(service))
            slow.sendall(b"GET /flights/price HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert slowest_hit(service) < 0.5


@pytest.mark.alone
def test_heads_sent_in_single_bytes_do_not_delay_hits(service: Service) -> None:
    service.price()
    idle = p95_of_a_hit(service)
    slow_heads = [sys.executable, "-m", "tests.support.clients.slow_heads", str(service.port)]
    attack = subprocess.Popen(slow_heads, cwd=ROOT)
    try:
        eventually(lambda: service.log("client.refused", reason="LimitRequestHeaders"))
        busy = p95_of_a_hit(service)
        assert attack.poll() is None
    finally:
        attack.kill()
        attack.wait()
    assert busy < 5 * idle


@pytest.mark.alone
def test_clients_that_never_read_do_not_delay_others(service: Service) -> None:
    service.price()
    with ExitStack() as stack:
        for _ in range(20):
            deaf = stack.enter_context(connect(service))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            # The API's description is long enough to fill all buffers on the way.
            deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
        eventually(lambda: slowest_hit(service) < 0.5)  # until all buffers are full
        assert slowest_hit(service, 500) < 0.5


@pytest.mark.quiet
def test_stalled_log_reader_blocks_no_request(sandbox: SandboxServer) -> None:
    nobody_reads, log = os.pipe()
    service = Service.on(sandbox)
    service.launch(stdout=log)
    os.close(log)
    with service:
        service.price()
        for _ in range(11):  # more lines than the queue of 10,000 holds
            assert slowest_hit(service) < 1
            with Wire(service) as wire:
                assert statuses(wire.ask(PING * 1000)) == [200] * 1000
        said = os.read(nobody_reads, 1 << 20)
        assert b"cache.hit" in said
        assert len(said) <= 1 << 16  # the capacity of a pipe
        while b"log.dropped" not in said:
            said += os.read(nobody_reads, 1 << 20)
        os.close(nobody_reads)
