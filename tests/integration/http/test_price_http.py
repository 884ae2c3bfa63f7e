"""GET /flights/price over HTTP, on a real Redis and a real sandbox."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx2
import pytest

from tests.support.clients import plain_http
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

_days = count(10)
pytestmark = pytest.mark.usefixtures("sandbox")  # without faults


@pytest.fixture(scope="module")
def redis(shared_redis: RedisServer) -> RedisServer:
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture(scope="module")
def service(shared_sandbox: SandboxServer, redis: RedisServer) -> Iterator[Service]:
    shared_sandbox.clear()
    with Service.on(shared_sandbox, redis_url=redis.url, web_concurrency=2) as running:
        yield running


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def searches(sandbox: SandboxServer) -> int:
    """The number of searches that Amadeus received."""
    calls: int = sandbox.counters()["search"]["calls"]
    return calls


def answers_of_all_workers(service: Service, **query: str) -> list[httpx2.Response]:
    """The answers on twelve new connections, which are spread over the workers."""
    answers = []
    for _ in range(12):
        with plain_http.client(base_url=service.url) as client:
            path = {"origin": "JFK", "destination": "LAX", **query}
            answers.append(client.get("/flights/price", params=path))
    return answers


def test_nocache_request_refreshes_the_price_for_all_clients(
    sandbox: SandboxServer, service: Service, day: str
) -> None:
    answers_of_all_workers(service, date=day)
    sandbox.fault("search", "odd_price", "111.00")

    forced = service.price(date=day, nocache="1")

    assert forced.json()["data"]["price"] == "111 EUR"
    assert forced.headers["X-Cache"] == "bypass"
    assert forced.headers["Cache-Status"] == "flight-price-api; fwd=request; stored"
    assert forced.headers["Cache-Control"] == "no-store"
    after = eventually(lambda: all_refreshed(answers_of_all_workers(service, date=day)), within=1)
    assert {answer.headers["X-Cache"] for answer in after} == {"hit"}
    assert searches(sandbox) == 2


def all_refreshed(answers: list[httpx2.Response]) -> list[httpx2.Response]:
    """The answers, once all of them have the refreshed price."""
    assert {answer.json()["data"]["price"] for answer in answers} == {"111 EUR"}
    return answers


def test_readers_of_one_cold_key_share_one_call(sandbox: SandboxServer, day: str) -> None:
    with Service.on(sandbox) as service, ThreadPoolExecutor(50) as readers:
        sandbox.clear()
        sandbox.fault("search", "latency", 2000)
        answers = list(readers.map(lambda _: service.price(date=day), range(50)))
        eventually(lambda: len(service.log("cache.coalesced", date=day)) == 49)

    assert searches(sandbox) == 1
    assert {(answer.status_code, answer.headers["X-Cache"]) for answer in answers} == {
        (200, "miss")
    }
    assert len({answer.content for answer in answers}) == 1
    assert sum("collapsed" in answer.headers["Cache-Status"] for answer in answers) == 49


def test_bad_input_reaches_neither_amadeus_nor_redis(
    sandbox: SandboxServer, redis: RedisServer, service: Service
) -> None:
    redis.forget_commands()

    for query in ({"origin": "J"}, {"date": "1999-01-01"}, {"adults": "0", "nocache": "1"}):
        assert service.price(**query).status_code == 400

    assert redis.commands() == set()
    service.price(nocache="1")
    assert redis.commands()
    assert sandbox.counters()["search"]["calls"] == 1


def test_keys_in_redis_all_expire(sandbox: SandboxServer, redis: RedisServer, day: str) -> None:
    other_day = some_day(next(_days))
    with Service.on(sandbox, redis_url=redis.url, amadeus_rate_limit=1000) as service:
        service.price(date=day)
        sandbox.fault("search", "empty_list", count=1)
        service.price(date=other_day)
        sandbox.fault("search", "status", "429:38195", count=1)
        service.price(date=day, nocache="1")
        keys = [key.decode() for key in redis.client.scan_iter()]
        lives = {key: redis.client.ttl(key) for key in keys}
        redis.client.delete(
            *redis.client.scan_iter("*pause|*")
        )  # it is valid for other services too

    assert -1 not in lives.values()
    kinds = ("price|", "token|", "pace|", "pause|", ":mark")
    assert all(any(kind in key for key in keys) for kind in kinds), keys
    prices = [life for key, life in lives.items() if "price|" in key and key.endswith("}")]
    assert max(prices) <= 600 + 3600


def test_token_is_not_readable_in_redis(redis: RedisServer, service: Service) -> None:
    service.price()

    [key] = redis.client.scan_iter("*token|*")
    value = redis.client.get(key)

    assert isinstance(value, bytes)
    assert b"access_token" not in value
    assert b"the-client" not in value
    assert b"the-client" not in key
