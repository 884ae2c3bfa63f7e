"""Prices are refreshed before they expire, and stale ones are served only instead of an error."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.clients.crowd import ask_at_once, logged
from tests.support.processes import eventually, first_good
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

pytestmark = pytest.mark.long
TTL = 1
STALE_TTL = 4


@dataclass(frozen=True)
class Seen:
    """An answer, with the times of its request and arrival in seconds of time.monotonic."""

    answer: httpx2.Response
    asked: float
    came: float

    @property
    def cache(self) -> tuple[int, str | None]:
        return cache_of(self.answer)

    @property
    def age(self) -> int:
        return int(self.answer.headers["Age"])

    def tells_the_time_since(self, fetched: "Seen") -> bool:
        return self.asked - fetched.came - 1 < self.age <= self.came - fetched.asked


def look(service: Service, day: str) -> Seen:
    asked = time.monotonic()
    answer = service.price(date=day)
    return Seen(answer, asked, time.monotonic())


def cache_of(response: httpx2.Response) -> tuple[int, str | None]:
    return response.status_code, response.headers.get("X-Cache")


def first_stale(service: Service, day: str) -> Seen:
    return first_good(lambda: look(service, day), lambda seen: seen.cache == (200, "stale"))


@pytest.fixture(scope="module", params=["redis", "memory"])
def replicas(
    request: pytest.FixtureRequest, shared_redis: RedisServer, shared_sandbox: SandboxServer
) -> Iterator[list[Service]]:
    """Two replicas on one Redis, or one without Redis. Each test uses its own day."""
    urls = [shared_redis.url] * 2 if request.param == "redis" else ["memory://"]
    settings = {"web_concurrency": 1, "amadeus_timeout": 2}
    settings |= {"cache_ttl": TTL, "cache_stale_ttl": STALE_TTL}
    with ExitStack() as running:
        yield [
            running.enter_context(Service.on(shared_sandbox, redis_url=url, **settings))
            for url in urls
        ]


@pytest.mark.timing
def test_busy_route_stays_a_hit_at_one_call_per_ttl(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    settings = {"web_concurrency": 1, "cache_ttl": 6}
    with (
        Service.on(sandbox, redis_url=redis_server.url, **settings) as one,
        Service.on(sandbox, redis_url=redis_server.url, **settings) as other,
        Service.on(sandbox, redis_url="memory://", **settings) as alone,
    ):
        reads = (one, some_day(31)), (other, some_day(31)), (alone, some_day(32))
        for service, day in reads:
            service.price(date=day)
        until = time.monotonic() + 12.5
        seen = []
        while time.monotonic() < until:
            seen += [look(service, day) for service, day in reads]
            time.sleep(0.05)
        calls = sandbox.counters()["search"]["by_search"]
    assert {each.cache for each in seen} == {(200, "hit")}
    assert max(each.age for each in seen) < 6
    # The first call, and a refresh shortly before the end of each of two TTLs.
    assert set(calls.values()) == {3}


@pytest.mark.timing
def test_failing_refresh_delays_no_reader_and_is_retried_slowly(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 1, "cache_ttl": 10}
    with Service.on(sandbox, **settings) as service:
        service.price()
        sandbox.fault("search", "status", 500)
        sandbox.admin("DELETE", "counters")
        eventually(lambda: service.price().headers["Age"] == "9")
        started = time.monotonic()
        while time.monotonic() < started + 0.7:
            assert cache_of(service.price()) == (200, "hit")
        # One refresh: its first try and its retry, and then a pause.
        assert sandbox.counters()["search"]["calls"] in (1, 2)


def test_stale_price_is_served_when_a_fetch_fails(
    replicas: list[Service], sandbox: SandboxServer
) -> None:
    one, other, day = replicas[0], replicas[-1], some_day(33)
    fresh = look(one, day)
    sandbox.fault("search", "status", 500)
    stale = first_stale(other, day)
    assert stale.answer.json() == fresh.answer.json()
    assert stale.tells_the_time_since(fresh)
    assert stale.answer.headers["Cache-Control"] == "max-age=0"
    assert other.log("cache.stale_served", origin="JFK", date=day)


def test_nocache_request_never_gets_a_stale_price(
    replicas: list[Service], sandbox: SandboxServer
) -> None:
    service, day = replicas[-1], some_day(34)
    service.price(date=day)
    sandbox.fault("search", "status", 500)
    first_stale(service, day)
    assert service.price(date=day, nocache="1").status_code == 503
    assert look(service, day).cache == (200, "stale")


def test_hanging_amadeus_lets_only_one_reader_wait_for_a_timeout(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 1, "amadeus_timeout": 2}
    settings |= {"cache_ttl": TTL, "cache_stale_ttl": 600}  # however long a busy machine takes
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        one.price()
        sandbox.fault("search", "hang")
        first_stale(one, some_day())
        replies = ask_at_once([one.price_url(), other.price_url()] * 50)
        assert {(reply.status, reply.headers["X-Cache"]) for reply in replies} == {(200, "stale")}
        # A reader that waits for a fetch logs a miss first.
        assert logged([one, other], replies, "cache.miss") == []


@pytest.mark.timing
def test_price_is_never_served_beyond_its_stale_limit(
    replicas: list[Service], sandbox: SandboxServer
) -> None:
    service, day = replicas[-1], some_day(36)
    fresh = look(replicas[0], day)
    sandbox.fault("search", "status", 500)
    seen = [first_stale(service, day)]
    while seen[-1].asked < fresh.came + TTL + STALE_TTL + 0.5:
        seen.append(look(service, day))
        time.sleep(0.02)
    stale = [each for each in seen if each.cache == (200, "stale")]
    assert {each.age for each in stale} == {1, 2, 3, 4}
    assert all(each.tells_the_time_since(fresh) for each in stale)
    assert stale[-1].asked < fresh.came + TTL + STALE_TTL
    assert {each.cache for each in seen[len(stale) :]} == {(503, None)}
