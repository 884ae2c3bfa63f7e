"""How connections are spread over the workers."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.processes import connections_of, eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import Service

CLIENTS = 40
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def service(shared_redis: RedisServer) -> Iterator[Service]:
    with Service(redis_url=shared_redis.url, web_concurrency=2) as service:
        eventually(lambda: len(service.log("service.warmed")) == 2)
        service.http.close()  # an idle connection would delay a reload
        yield service


def connect(service: Service, stack: ExitStack, count: int = CLIENTS) -> list[socket.socket]:
    """Connect clients at the same time, and keep their connections open."""
    return [
        stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        for _ in range(count)
    ]


def connections_per_worker(service: Service) -> list[int]:
    """The number of connections of each worker."""
    return [connections_of(worker, service.port) for worker in service.workers()]


def test_simultaneous_connections_are_spread_over_the_workers(service: Service) -> None:
    with ExitStack() as stack:
        connect(service, stack)
        eventually(lambda: sum(connections_per_worker(service)) >= CLIENTS)
        assert max(connections_per_worker(service)) <= CLIENTS * 3 / 4


@pytest.mark.timing
def test_old_workers_during_a_reload_delay_no_connection(service: Service) -> None:
    def seconds_for(count: int) -> float:
        with ExitStack() as stack:
            started = time.monotonic()
            connect(service, stack, count)
            eventually(lambda: sum(connections_per_worker(service)) >= count)
            return time.monotonic() - started

    usual = min(seconds_for(400) for _ in range(5))
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(service.workers()) == 2 and not before & set(service.workers()))

    # Two workers that each wait a millisecond per connection take 200 ms longer.
    eventually(lambda: min(seconds_for(400) for _ in range(3)) < usual + 0.1)


def test_connections_are_served_at_once_after_a_worker_died(service: Service) -> None:
    victim = service.workers()[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in service.workers() and len(service.workers()) == 2)

    assert first_lines_of_answers(service) == {b"HTTP/1.1 200"}


def test_repeated_bursts_of_connections_are_all_served(service: Service) -> None:
    for _ in range(60):
        assert first_lines_of_answers(service) == {b"HTTP/1.1 200"}


@pytest.mark.timing
def test_last_of_a_crowd_is_served_before_the_first_has_many_answers(service: Service) -> None:
    with ExitStack() as stack, selectors.DefaultSelector() as answered:
        crowd = connect(service, stack, 300)
        answers = [0] * len(crowd)
        for number, client in enumerate(crowd):
            answered.register(client, selectors.EVENT_READ, number)
            client.sendall(REQUEST)
        while not all(answers):
            for key, _ in answered.select():
                client = crowd[key.data]
                assert client.recv(65_536).startswith(b"HTTP/1.1 200")
                answers[key.data] += 1
                client.sendall(REQUEST)
        assert max(answers) <= 20


def first_lines_of_answers(service: Service) -> set[bytes]:
    """The status lines for clients that all connect before the first request is sent."""
    with ExitStack() as stack:
        clients = connect(service, stack)
        for client in clients:
            client.settimeout(5)
            client.sendall(REQUEST)
        return {client.recv(12) for client in clients}
