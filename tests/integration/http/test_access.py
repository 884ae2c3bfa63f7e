"""Keys and rate limits where paths, connections, processes and Redis matter."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import httpx2
import pytest

from tests.support.clients import plain_http
from tests.support.clients.wire import Wire, statuses
from tests.support.processes import eventually, free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

OLD, NEW = "the-old-key-of-the-client", "the-new-key-of-the-client"
OPERATOR = "the-key-of-the-operator"
PRICE = f"/flights/price?origin=JFK&destination=LAX&date={some_day()}"
_numbers = count(2)


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    """A service that requires keys."""
    with Service(api_keys=f"{OLD},{NEW}", operator_keys=OPERATOR) as service:
        yield service


@pytest.fixture(scope="module")
def limited(shared_redis: RedisServer) -> Iterator[Service]:
    """A service with rate limits."""
    limits = {"client_rate_limit": 3, "nocache_rate_limit": 1, "web_concurrency": 1}
    with Service(operator_keys=OPERATOR, redis_url=shared_redis.url, **limits) as service:
        yield service


@pytest.fixture
def client(limited: Service) -> Iterator[httpx2.Client]:
    """A client with a new address, which has made no request yet."""
    address = httpx2.HTTPTransport(verify=False, local_address=f"127.0.0.{next(_numbers)}")
    with plain_http.client(base_url=limited.url, transport=address) as client:
        yield client


@pytest.fixture(scope="module")
def proxied() -> Iterator[Service]:
    """A service that trusts a proxy and allows each client one request."""
    with Service(client_rate_limit=1, forwarded_allow_ips="127.0.0.0/8") as service:
        yield service


def ask(service: Service, path: str = PRICE, **headers: str) -> httpx2.Response:
    """GET a path with these headers; the default is the price of a flight."""
    return service.http.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


SPELLINGS = [
    "/flights/price/", "//flights/price", "/%66lights/price", "/flights/pric%65",
    "/flights%2Fprice", "/flights/price%2f", "http://x/flights/price",
    "//metrics", "/metrics/", "/%6detrics", "/metrics%2f", "/%73tatus.json",
]  # fmt: skip
NOT_FOUND = [
    "/flights/./price", "/flights/ping/../price", "/flights/ping/%2e%2e/price",
    "/flights//price", "/FLIGHTS/PRICE", "/flights/price;x", "/flights/price%00", "/%256detrics",
]  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS + NOT_FOUND)
def test_alternative_spellings_of_a_path_do_not_bypass_the_gate(keyed: Service, path: str) -> None:
    with Wire(keyed) as wire:  # raw bytes: a client library would normalise the path
        received = wire.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert statuses(received) == [401 if path in SPELLINGS else 404]


def test_refusals_are_logged_with_a_client_name_and_without_the_key(keyed: Service) -> None:
    ask(keyed, X_API_Key="not-a-key-of-anybody")

    line = eventually(lambda: keyed.log("client.refused", code="unauthorized"))[-1]
    assert line["client"] == "127.0.0.1"
    assert not re.search(f"{OLD}|{NEW}|{OPERATOR}|not-a-key", keyed.log_text)


def test_rate_limit_holds_for_all_workers_of_all_replicas(redis_server: RedisServer) -> None:
    settings = {"client_rate_limit": 20, "redis_url": redis_server.url, "web_concurrency": 2}
    with Service(**settings) as one, Service(**settings) as other:
        began = time.monotonic()
        # A new connection each, so that all workers take part.
        statuses = [
            plain_http.get(f"{service.url}/flights/price").status_code
            for _ in range(20)
            for service in (one, other)
        ]

        turns_back = int((time.monotonic() - began) / 3) + 1
    assert 20 <= statuses.count(400) <= 20 + turns_back
    assert statuses.count(429) == 40 - statuses.count(400)


def test_large_rate_limit_holds_over_two_workers_that_seldom_ask_redis(
    redis_server: RedisServer,
) -> None:
    limit, redis = 1_200, redis_server.client
    with Service(client_rate_limit=limit, redis_url=redis_server.url, web_concurrency=2) as service:

        def ask_often(_: int) -> int:
            with plain_http.client() as http:
                answers = [http.get(f"{service.url}/flights/price") for _ in range(limit // 6)]
            return [answer.status_code for answer in answers].count(400)

        scripts = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
        began = time.monotonic()
        with ThreadPoolExecutor(8) as clients:  # so that both workers have some of them
            accepted = sum(clients.map(ask_often, range(8)))
        turns_back = (time.monotonic() - began) * limit / 60
        scripts = redis.info("commandstats")["cmdstat_evalsha"]["calls"] - scripts

    assert 0.97 * limit <= accepted <= limit + turns_back + 1
    refused = 8 * (limit // 6) - accepted
    # A batch is used while requests come quickly, which a busy machine does not let all of them.
    assert scripts - refused < 0.8 * accepted


def test_rate_limit_keys_in_redis_expire(redis_server: RedisServer, client: httpx2.Client) -> None:
    client.get(PRICE)

    (key,) = redis_server.client.keys("*limit|client*")
    assert 0 < redis_server.client.pttl(key) <= 61_000


def test_replica_without_redis_applies_its_own_rate_limit_and_pacing(
    sandbox: SandboxServer,
) -> None:
    no_redis = f"redis://127.0.0.1:{free_port()}/0"
    settings = {"client_rate_limit": 2, "amadeus_rate_limit": 0.01, "web_concurrency": 1}
    replica = partial(Service.on, sandbox, redis_url=no_redis, **settings)
    with replica() as one, replica() as other:
        statuses = {
            service: [service.price(date=some_day(ahead)).status_code for ahead in (1, 2, 3)]
            for service in (one, other)
        }

    # A price, the pacing and the rate limit. Two replicas with one Redis would share these.
    assert statuses == {one: [200, 503, 429], other: [200, 503, 429]}


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP"])
def test_forged_x_forwarded_for_changes_nothing(client: httpx2.Client, name: str) -> None:
    statuses = [
        client.get("/flights/price", headers={name: f"203.0.113.{number}"}).status_code
        for number in range(4)
    ]

    assert statuses == [400, 400, 400, 429]


def test_two_forwarded_for_headers_are_read_as_one_list(proxied: Service) -> None:
    twice = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "203.0.113.3")]
    statuses = [
        proxied.http.get("/flights/price", headers=headers).status_code
        for headers in (twice, {"X-Forwarded-For": "203.0.113.3"})
    ]

    assert statuses == [400, 429]
