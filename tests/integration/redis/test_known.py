"""`known=1` with a real Redis: from Redis itself, and from the worker's copy without it."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

CACHED, UNCACHED = some_day(20), some_day(21)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may disturb."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def service(server: RedisServer, sandbox: SandboxServer) -> Iterator[Service]:
    """A service whose prices expire after a second."""
    options = {"redis_url": server.url, "cache_ttl": 1, "web_concurrency": 1}
    with Service.on(sandbox, **options) as service:
        yield service


def expired(service: Service) -> object:
    """The price of a day, once it has expired."""
    price = service.price(date=CACHED).json()
    eventually(lambda: int(service.price(date=CACHED, known="1").headers["Age"]) > 1)
    return price


@pytest.mark.parametrize(
    "trouble", [lambda _: None, RedisServer.kill, RedisServer.freeze], ids=["none", "down", "hangs"]
)
def test_known_price_is_looked_up_without_a_call_also_if_redis_fails(
    trouble: Callable[[RedisServer], object],
    service: Service,
    server: RedisServer,
    sandbox: SandboxServer,
) -> None:
    price = expired(service)
    sandbox.clear()
    trouble(server)

    known = [service.price(date=CACHED, known="1") for _ in range(10)]
    unknown = [service.price(date=UNCACHED, known="1") for _ in range(10)]

    assert [(answer.headers["X-Cache"], answer.json()) for answer in known] == [("hit", price)] * 10
    assert {answer.json()["code"] for answer in unknown} == {"not-known"}
    # A refresh would have been under way before this search, which is the only one.
    assert service.price(date=some_day(22)).status_code == 200
    assert sandbox.calls("search") == 1
    assert not [line for line in service.log() if line["event"] == "cache.refreshed"]


def test_price_that_another_worker_fetched_is_known(
    service: Service, server: RedisServer, sandbox: SandboxServer
) -> None:
    price = expired(service)
    with Service.on(sandbox, redis_url=server.url, web_concurrency=1) as other:
        sandbox.clear()
        known = other.price(date=CACHED, known="1")
        accepted = other.price(date=CACHED, max_age="60")

    assert known.json() == accepted.json() == price
    assert int(known.headers["Age"]) > 1
    assert sandbox.calls("search") == 0
