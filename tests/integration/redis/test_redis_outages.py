"""Redis outages delay requests by milliseconds and fail none."""

import os
import signal
import socket
import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from threading import Thread

import pytest
import redis

from tests.support.clients.crowd import ask_at_once
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

pytestmark = pytest.mark.long
OUTAGE = ["cache.unavailable", "cache.recovered"]
# Days ahead of today that have not been requested yet.
unasked = count(1)


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that these tests may disturb. Each test repairs it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def running(own_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(shared_sandbox, redis_url=own_redis.url, web_concurrency=1) as service:
        yield service


@pytest.fixture
def service(running: Service, own_redis: RedisServer, sandbox: SandboxServer) -> Service:
    """A service with a healthy Redis and Amadeus, subscribed to announcements."""
    del sandbox
    eventually(lambda: outages(running)[-1:] != OUTAGE[:1])
    eventually(own_redis.client.pubsub_channels)
    return running


def outages(service: Service) -> list[str]:
    """The outages logged so far."""
    return [line["event"] for line in service.log() if line["event"] in OUTAGE]


def refuse(server: RedisServer) -> None:
    server.kill()


def run_out_of_memory(server: RedisServer) -> None:
    server.client.config_set("maxmemory", "1")


def become_a_replica(server: RedisServer) -> None:
    server.client.replicaof("127.0.0.1", "1")


def want_a_replica(server: RedisServer) -> None:
    server.client.config_set("min-replicas-to-write", "1")


def change_the_password(server: RedisServer) -> None:
    client = server.client
    client.config_set("requirepass", "another")
    for kind in ("normal", "pubsub"):  # open connections would not have to authenticate
        client.client_kill_filter(_type=kind, skipme=True)


def change_it_back(server: RedisServer) -> None:
    redis.Redis(port=server.port, password="another").config_set("requirepass", "")


TROUBLES: list[tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = [
    (refuse, RedisServer.start),
    (RedisServer.freeze, RedisServer.thaw),
    (run_out_of_memory, lambda server: server.client.config_set("maxmemory", "0")),
    (become_a_replica, lambda server: server.client.replicaof("NO", "ONE")),
    (change_the_password, change_it_back),
    (want_a_replica, lambda server: server.client.config_set("min-replicas-to-write", "0")),
]
NAMES = ["refused", "frozen", "out-of-memory", "read-only", "wrong-password", "cut-off-master"]


@pytest.mark.timing
@pytest.mark.parametrize(("trouble", "mend"), TROUBLES, ids=NAMES)
def test_requests_are_answered_in_an_outage_that_is_logged_once(
    trouble: Callable[[RedisServer], None],
    mend: Callable[[RedisServer], None],
    service: Service,
    own_redis: RedisServer,
    sandbox: SandboxServer,
) -> None:
    read, later, *unread = islice(unasked, 22)
    known, before = service.price(date=some_day(read)), len(outages(service))
    trouble(own_redis)
    replies = [reply for ahead in unread for reply in ask_at_once([service.price_url(ahead)] * 3)]
    kept = service.price(date=some_day(read))
    mend(own_redis)
    eventually(lambda: outages(service)[before:] == OUTAGE, within=2)
    assert {reply.status for reply in replies} == {200}
    # One request waits for Redis' timeout; 200 ms for a call are generous on a busy machine.
    assert sum(reply.seconds > 0.3 for reply in replies) <= 3
    assert max(reply.seconds for reply in replies) < 0.8
    assert (kept.json(), kept.headers["X-Cache"]) == (known.json(), "hit")
    assert sandbox.calls("search") == 21
    assert service.price(date=some_day(later)).status_code == 200
    eventually(lambda: own_redis.keys(f"*{some_day(later)}*"))
    assert outages(service)[before:] == OUTAGE


def test_prices_fetched_in_an_outage_are_shared_afterwards(
    service: Service, own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    day, before = some_day(next(unasked)), len(outages(service))
    service.price(date=day)
    own_redis.kill()
    service.price(date=day, nocache="1")
    own_redis.start()
    eventually(lambda: outages(service)[before:] == OUTAGE, within=2)
    with Service.on(sandbox, redis_url=own_redis.url, web_concurrency=1) as other:
        assert other.price(date=day).headers["X-Cache"] == "hit"


def test_wrong_redis_password_is_an_outage_from_the_start(sandbox: SandboxServer) -> None:
    with (
        RedisServer("--requirepass", "another") as own_redis,
        Service.on(sandbox, redis_url=own_redis.url, web_concurrency=1) as service,
    ):
        assert service.price().status_code == 200
        assert service.price().headers["X-Cache"] == "hit"
        (said,) = service.log("cache.unavailable")
        assert "uthentication" in said["reason"]


def test_flushed_redis_is_filled_again(service: Service, own_redis: RedisServer) -> None:
    day, before = some_day(next(unasked)), outages(service)
    service.price(date=day)
    own_redis.client.flushall()
    assert service.price(date=day).status_code == 200
    assert service.price(date=day, nocache="1").status_code == 200
    eventually(lambda: own_redis.keys(f"*price*{day}*"))
    assert outages(service) == before


@pytest.mark.parametrize("trouble", [refuse, RedisServer.freeze])
def test_single_flight_still_works_within_a_worker_in_an_outage(
    trouble: Callable[[RedisServer], None],
    service: Service,
    own_redis: RedisServer,
    sandbox: SandboxServer,
) -> None:
    sandbox.fault("search", "latency", 1000)
    trouble(own_redis)
    replies = ask_at_once([service.price_url(next(unasked))] * 100)
    own_redis.thaw() if own_redis.is_running else own_redis.start()
    assert {reply.status for reply in replies} == {200}
    assert sandbox.calls("search") == 1


class DelayingProxy(socketserver.ThreadingTCPServer):
    """A proxy to Redis that delays each answer by `seconds`."""

    daemon_threads = True
    seconds = 0.0

    def __init__(self, server: RedisServer) -> None:
        super().__init__(("127.0.0.1", 0), DelayedConnection)
        self.beyond = ("127.0.0.1", server.port)
        self.url = f"redis://127.0.0.1:{self.server_address[1]}/0"
        Thread(target=self.serve_forever, daemon=True).start()


class DelayedConnection(socketserver.BaseRequestHandler):
    """One connection through the proxy."""

    server: DelayingProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.beyond) as beyond:
            Thread(target=self.carry, args=(self.request, beyond), daemon=True).start()
            self.carry(beyond, self.request, late=True)

    def carry(self, source: socket.socket, sink: socket.socket, *, late: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.server.seconds if late else 0)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.timing
def test_slow_redis_is_used_until_it_exceeds_the_timeout(
    own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    with (
        DelayingProxy(own_redis) as way,
        Service.on(sandbox, redis_url=way.url, web_concurrency=1) as service,
    ):
        read, *unread = islice(unasked, 9)
        service.price(date=some_day(read))
        way.seconds = 0.05
        slow = ask_at_once(map(service.price_url, unread[:2]))
        assert own_redis.keys(f"*{some_day(unread[0])}*")
        assert outages(service) == []
        way.seconds = 0.4
        too_slow = ask_at_once(map(service.price_url, unread[2:]))
        kept = service.price(date=some_day(read))
        assert outages(service) == OUTAGE[:1]
        way.seconds = 0.0
        eventually(lambda: outages(service) == OUTAGE, within=2)
        way.shutdown()
    assert {reply.status for reply in slow + too_slow} == {200}
    # A miss takes five round trips while Redis is used, and one timeout afterwards.
    assert max(reply.seconds for reply in slow) < 1
    assert max(reply.seconds for reply in too_slow) < 0.8
    assert kept.headers["X-Cache"] == "hit"
    assert sandbox.calls("search") == 9


@pytest.mark.parametrize("place", ["", ":lock", ":mark"], ids=["entry", "lock", "mark"])
@pytest.mark.parametrize("wrong", ["string", "list", "old format", "endless"])
def test_foreign_value_in_a_price_key_is_replaced_by_a_fetch(
    wrong: str, place: str, service: Service, own_redis: RedisServer
) -> None:
    known, day = map(some_day, islice(unasked, 2))
    service.price(date=known)
    before = outages(service)
    (key,) = eventually(lambda: own_redis.keys(f"*price*{known}*"))
    key = key.replace(known.encode(), day.encode())
    write(wrong, own_redis, key + place.encode())
    assert service.price(date=day).headers["X-Cache"] == "miss"
    eventually(lambda: own_redis.keys(key.decode() + "*") == [key])
    eventually(lambda: own_redis.get(key).startswith(b"1 "))
    assert outages(service) == before


@pytest.mark.parametrize("wrong", ["string", "list"])
def test_foreign_value_in_the_token_key_is_replaced_by_a_fetch(
    wrong: str, service: Service, own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    replace_worker(service)  # the new one puts its token into Redis if none is there
    (key,), before = own_redis.keys("*token*"), outages(service)
    write(wrong, own_redis, key)
    sandbox.clear()
    replace_worker(service)  # the new one has no copy of it
    assert service.price(date=some_day(next(unasked))).headers["X-Cache"] == "miss"
    assert own_redis.get(key).startswith(b"1 ")
    assert sandbox.calls("token") == 1
    assert outages(service) == before


def replace_worker(service: Service) -> None:
    """Kill the worker, and wait until the next one has a token."""
    (worker,) = service.workers()
    warmed = len(service.log("service.warmed"))
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(service.log("service.warmed")) > warmed)


def write(wrong: str, server: RedisServer, key: bytes) -> None:
    """Write a foreign value under one of our keys."""
    server.client.delete(key)
    if wrong == "list":
        server.client.rpush(key, "not", "ours")
    else:
        now = f"{time.time():.6f}"
        values = {
            "string": "nonsense",
            "old format": "0 1 2 3\n{}",
            "endless": f"1 {now} {now} inf\n{{}}",
        }
        server.client.set(key, values[wrong])
