"""Redis trouble costs milliseconds, and never an answer."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.crowd import ask_at_once
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be mistreated."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def service(own_redis: RedisServer, sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(sandbox, redis_url=own_redis.url, web_concurrency=1) as service:
        yield service


def refuse(server: RedisServer) -> None:
    server.kill()


def run_out_of_memory(server: RedisServer) -> None:
    server.client.config_set("maxmemory", "1")


def become_a_replica(server: RedisServer) -> None:
    server.client.replicaof("127.0.0.1", "1")


def forget_us(server: RedisServer) -> None:
    server.client.config_set("requirepass", "another")


TROUBLES: list[tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = [
    (refuse, RedisServer.start),
    (RedisServer.freeze, RedisServer.thaw),
    (run_out_of_memory, lambda server: server.client.config_set("maxmemory", "0")),
    (become_a_replica, lambda server: server.client.replicaof("NO", "ONE")),
]
NAMES = ["refused", "frozen", "out-of-memory", "read-only"]


@pytest.mark.parametrize(("trouble", "mend"), TROUBLES, ids=NAMES)
def test_every_request_is_answered_in_an_outage_which_is_said_once(
    trouble: Callable[[RedisServer], None],
    mend: Callable[[RedisServer], None],
    service: Service,
    own_redis: RedisServer,
    sandbox: SandboxServer,
) -> None:
    known = service.price()
    trouble(own_redis)
    replies = [
        reply for ahead in range(1, 21) for reply in ask_at_once([service.price_url(ahead)] * 3)
    ]
    assert {reply.status for reply in replies} == {200}
    # One in all waits for Redis' timeout, and 200 ms for a call on a busy machine are generous.
    assert sum(reply.seconds > 0.3 for reply in replies) <= 3
    assert service.price().json() == known.json()
    assert service.price().headers["X-Cache"] == "hit"
    assert sandbox.counters()["search"]["calls"] == 21
    assert len(service.log("cache.unavailable")) == 1
    mend(own_redis)
    eventually(lambda: service.log("cache.recovered"), within=3)
    assert service.price(date=some_day(40)).status_code == 200
    eventually(lambda: own_redis.keys(f"*{some_day(40)}*"))
    assert len(service.log("cache.unavailable")) == len(service.log("cache.recovered")) == 1


def test_what_was_fetched_in_an_outage_is_shared_after_it(
    service: Service, own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    service.price()
    own_redis.kill()
    service.price(nocache="1")
    own_redis.start()
    eventually(lambda: service.log("cache.recovered"))
    with Service.on(sandbox, redis_url=own_redis.url) as other:
        assert other.price().headers["X-Cache"] == "hit"


def test_a_wrong_password_is_an_outage_from_the_start(
    own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    forget_us(own_redis)
    with Service.on(sandbox, redis_url=own_redis.url, web_concurrency=1) as service:
        assert service.price().status_code == 200
        assert service.price().headers["X-Cache"] == "hit"
        (said,) = service.log("cache.unavailable")
        assert "uthentication" in said["reason"]


def test_a_redis_that_is_flushed_is_filled_again(service: Service, own_redis: RedisServer) -> None:
    service.price()
    own_redis.client.flushall()
    assert service.price().status_code == 200
    assert service.price(nocache="1").status_code == 200
    assert own_redis.keys("*price*")
    assert service.log("cache.unavailable") == []


@pytest.mark.parametrize("wrong", ["string", "list", "old format"])
def test_a_value_that_is_not_ours_is_fetched_again(
    wrong: str, own_redis: RedisServer, sandbox: SandboxServer
) -> None:
    with Service.on(sandbox, redis_url=own_redis.url) as service:
        service.price()
    (key,) = own_redis.keys("*price*")
    own_redis.client.delete(key)
    if wrong == "list":
        own_redis.client.rpush(key, "not", "ours")
    else:
        own_redis.client.set(key, "nonsense" if wrong == "string" else "0 1 2 3\n{}")
    with Service.on(sandbox, redis_url=own_redis.url) as service:
        assert service.price().headers["X-Cache"] == "miss"
        assert own_redis.get(key).startswith(b"1 ")
        assert service.log("cache.unavailable") == []


@pytest.mark.parametrize("trouble", [refuse, RedisServer.freeze])
def test_single_flight_still_holds_in_the_worker(
    trouble: Callable[[RedisServer], None],
    service: Service,
    own_redis: RedisServer,
    sandbox: SandboxServer,
) -> None:
    sandbox.fault("search", "latency", 500)
    trouble(own_redis)
    replies = ask_at_once([service.price_url()] * 100)
    assert {reply.status for reply in replies} == {200}
    assert sandbox.counters()["search"]["calls"] == 1


def test_a_redis_that_is_slow_is_left_alone(service: Service, own_redis: RedisServer) -> None:
    own_redis.client.client_pause(2000)
    started = time.monotonic()
    replies = ask_at_once([service.price_url(ahead) for ahead in range(1, 21)])
    assert {reply.status for reply in replies} == {200}
    assert time.monotonic() - started < 1.5
    eventually(lambda: service.log("cache.recovered"), within=5)
