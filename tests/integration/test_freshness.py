"""Refreshed ahead while all is well, and stale only where that is better than an error."""

import time

import httpx2
import pytest

from tests.crowd import ask_at_once
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day


def cache_of(response: httpx2.Response) -> tuple[int, str | None]:
    return response.status_code, response.headers.get("X-Cache")


def stale_answer(service: Service) -> httpx2.Response | None:
    response = service.price()
    return response if response.headers.get("X-Cache") == "stale" else None


@pytest.fixture(params=["redis", "memory"])
def redis_url(request: pytest.FixtureRequest, redis_server: RedisServer) -> str:
    return redis_server.url if request.param == "redis" else "memory://"


def test_a_route_that_is_read_stays_a_hit_at_one_call_a_ttl(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 50)
    with Service.on(sandbox, redis_url=redis_server.url, cache_ttl=2) as service:
        service.price()
        until = time.monotonic() + 7
        seen = []
        while time.monotonic() < until:
            response = service.price()
            seen.append((*cache_of(response), int(response.headers["Age"]) < 2))
    assert set(seen) == {(200, "hit", True)}
    assert 4 <= sandbox.counters()["search"]["calls"] <= 5


def test_a_failing_refresh_costs_no_reader_anything_and_is_not_hurried(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    with Service.on(sandbox, redis_url=redis_server.url, cache_ttl=10) as service:
        service.price()
        sandbox.fault("search", "status", 500)
        sandbox.admin("DELETE", "counters")
        eventually(lambda: service.price().headers["Age"] == "9")
        started = time.monotonic()
        while time.monotonic() < started + 0.7:
            assert cache_of(service.price()) == (200, "hit")
        # One refresh: its try and its retry, and then a rest.
        assert sandbox.counters()["search"]["calls"] in (1, 2)


def test_a_stale_price_stands_in_for_a_failure(redis_url: str, sandbox: SandboxServer) -> None:
    with Service.on(sandbox, redis_url=redis_url, cache_ttl=1) as service:
        fresh = service.price()
        sandbox.fault("search", "status", 500)
        stale = eventually(lambda: stale_answer(service))
        assert cache_of(stale) == (200, "stale")
        assert stale.json() == fresh.json()
        assert 1 <= int(stale.headers["Age"]) <= 3
        assert stale.headers["Cache-Control"] == "max-age=0"
        assert eventually(lambda: service.log("cache.stale_served", origin="JFK"))


def test_nocache_never_gets_a_stale_price(redis_url: str, sandbox: SandboxServer) -> None:
    with Service.on(sandbox, redis_url=redis_url) as service:
        service.price()
        sandbox.fault("search", "status", 500)
        assert service.price(nocache="1").status_code == 503
        assert cache_of(service.price()) == (200, "hit")


def test_no_price_is_served_past_its_stale_time(redis_url: str, sandbox: SandboxServer) -> None:
    settings = {"redis_url": redis_url, "cache_ttl": 1, "cache_stale_ttl": 1}
    with Service.on(sandbox, **settings) as service:
        service.price()
        sandbox.fault("search", "status", 500)
        eventually(lambda: stale_answer(service))
        eventually(lambda: service.price().status_code == 503, within=5)


def test_a_hanging_amadeus_costs_one_reader_a_timeout(
    redis_url: str, sandbox: SandboxServer
) -> None:
    settings = {"redis_url": redis_url, "cache_ttl": 1, "amadeus_timeout": 2}
    with Service.on(sandbox, **settings) as service:
        service.price()
        sandbox.fault("search", "hang")
        eventually(lambda: stale_answer(service))
        url = f"{service.url}/flights/price?origin=JFK&destination=LAX&date={some_day()}"
        quick = ask_at_once([url] * 50)
        assert {(reply.status, reply.headers["X-Cache"]) for reply in quick} == {(200, "stale")}
        assert max(reply.seconds for reply in quick) < 1
