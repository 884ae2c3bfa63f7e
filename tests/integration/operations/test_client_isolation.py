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

from api.services.cache.fetches import MAX_FETCHES
from tests.support.clients.crowd import ask_at_once
from tests.support.clients.wire import PING, Wire, statuses
from tests.support.processes import connections_of, eventually
from tests.support.servers.quick_amadeus import QuickAmadeus
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import ROOT, Service, some_day

DEAF = 20
# Longer than what a worker reads at once, so that its client notices when it reads no more.
LONG_QUESTION = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 8000)


@pytest.fixture(scope="module")
def amadeus() -> Iterator[QuickAmadeus]:
    with QuickAmadeus(0) as amadeus:
        yield amadeus


def service_on(amadeus: QuickAmadeus, redis: RedisServer) -> Service:
    account = {"amadeus_client_id": "any", "amadeus_client_secret": "any"}
    settings = {"amadeus_base_url": amadeus.url, "redis_url": redis.url, "web_concurrency": 1}
    return Service(**account, **settings)


@pytest.fixture(scope="module")
def service(amadeus: QuickAmadeus, shared_redis: RedisServer) -> Iterator[Service]:
    """A service of one worker. Each test asks for days of its own, or for hits."""
    with service_on(amadeus, shared_redis) as service:
        yield service


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port))


def connections(service: Service) -> int:
    [worker] = service.workers()
    return connections_of(worker, service.port)


def seconds_of_hits(service: Service, count: int) -> list[float]:
    def seconds() -> float:
        started = time.monotonic()
        assert service.price().headers["X-Cache"] == "hit"
        return time.monotonic() - started

    return sorted(seconds() for _ in range(count))


def is_served_on_a_new_connection(service: Service) -> bool:
    [reply] = ask_at_once([service.price_url()])
    return reply.status == 200


def p95_of_a_hit(service: Service) -> float:
    return seconds_of_hits(service, 200)[190]


def test_disconnected_client_does_not_cancel_the_fetch_of_its_waiters(
    service: Service, amadeus: QuickAmadeus
) -> None:
    searches, day = amadeus.searches, some_day(31)
    with ThreadPoolExecutor() as threads, amadeus.holding_answers():
        with connect(service) as leaver:
            path = f"/flights/price?origin=JFK&destination=LAX&date={day}"
            leaver.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            eventually(lambda: amadeus.searches == searches + 1)
        waiter = threads.submit(ask_at_once, [service.price_url(31)])
        eventually(lambda: len(service.log("cache.miss", date=day)) == 2)
    [reply] = waiter.result()
    assert reply.status == 200
    assert amadeus.searches == searches + 1


@pytest.mark.timing
def test_slow_amadeus_does_not_delay_hits(service: Service, amadeus: QuickAmadeus) -> None:
    service.price()
    idle = p95_of_a_hit(service)
    cold = [service.price_url(ahead) for ahead in range(40, 50 + MAX_FETCHES)]
    with ThreadPoolExecutor() as threads, amadeus.holding_answers():
        waiting = threads.submit(ask_at_once, cold)
        eventually(lambda: amadeus.under_way == MAX_FETCHES)
        busy = p95_of_a_hit(service)
        assert not waiting.done()
    assert {reply.status for reply in waiting.result()} == {200}
    assert busy < 5 * idle


@pytest.mark.parametrize(
    "beginning",
    [b"GET /flights/pi", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["in the request line", "in a header"],
)
def test_slowly_sending_clients_do_not_delay_others(service: Service, beginning: bytes) -> None:
    service.price()
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connect(service)).sendall(beginning)
        seconds_of_hits(service, 50)
        assert is_served_on_a_new_connection(service)
        # The hits came before the first slow client was cut off, so they waited for none.
        assert connections(service) > 200


@pytest.mark.timing
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


def test_clients_that_never_read_do_not_delay_others(service: Service) -> None:
    service.price()
    with ExitStack() as stack, ThreadPoolExecutor(DEAF) as threads:
        deaf = [stack.enter_context(Wire(service, receive_buffer=4096)) for _ in range(DEAF)]
        list(threads.map(lambda wire: wire.send_until_stuck(LONG_QUESTION * 100), deaf))
        seconds_of_hits(service, 200)
        assert is_served_on_a_new_connection(service)
        # The worker still waits for each of them to read.
        assert connections(service) > DEAF


def test_stalled_log_reader_blocks_no_request(
    amadeus: QuickAmadeus, redis_server: RedisServer
) -> None:
    nobody_reads, log = os.pipe()
    service = service_on(amadeus, redis_server)
    service.launch(stdout=log)
    os.close(log)
    with service:
        service.price()
        for _ in range(11):  # more lines than the queue of 10,000 holds
            seconds_of_hits(service, 10)
            with Wire(service) as wire:
                assert statuses(wire.ask(PING * 1000)) == [200] * 1000
        said = os.read(nobody_reads, 1 << 20)
        assert b"cache.hit" in said
        assert len(said) <= 1 << 16  # the capacity of a pipe
        while b"log.dropped" not in said:
            said += os.read(nobody_reads, 1 << 20)
        os.close(nobody_reads)
