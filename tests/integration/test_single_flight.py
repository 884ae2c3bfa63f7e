"""One caller fetches for all: over threads, workers and replicas."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.services.stores.limits import LOCK_SECONDS
from tests.crowd import ask_at_once
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day

Replicas = tuple[Service, Service]


@pytest.fixture(scope="module")
def replicas(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Replicas]:
    """Two replicas of two workers each, on one Redis. Each test asks for a day of its own."""
    settings = {"redis_url": shared_redis.url, "web_concurrency": 2}
    with (
        Service.on(shared_sandbox, **settings) as one,
        Service.on(shared_sandbox, **settings) as other,
    ):
        yield one, other


def urls(replicas: Replicas, count: int, extra: str = "", ahead: int = 30) -> list[str]:
    query = f"/flights/price?origin=JFK&destination=LAX&date={some_day(ahead)}{extra}"
    return [replicas[number % 2].url + query for number in range(count)]


def test_200_readers_of_a_cold_route_cost_one_call(
    replicas: Replicas, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 500)
    replies = ask_at_once(urls(replicas, 200, ahead=31))
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["X-Cache"] for reply in replies} == {"miss"}
    assert sandbox.counters()["search"]["calls"] == 1


def test_100_forced_readers_cost_two_calls_or_three(
    replicas: Replicas, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 500)
    replies = ask_at_once(urls(replicas, 100, "&nocache=1", ahead=32))
    assert {(reply.status, reply.headers["X-Cache"]) for reply in replies} == {(200, "bypass")}
    assert sandbox.counters()["search"]["calls"] in (2, 3)


def test_forced_readers_never_share_a_fetch_that_began_before_they_came(
    replicas: Replicas, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 1000)
    with ThreadPoolExecutor() as threads:
        early = threads.submit(ask_at_once, urls(replicas, 20, "&nocache=1", ahead=33))
        eventually(lambda: sandbox.counters()["search"]["calls"] == 1)
        late = ask_at_once(urls(replicas, 20, "&nocache=1", ahead=33))
    # Whoever is answered by the fetch under way waits less than a whole one takes.
    assert min(reply.seconds for reply in late) >= 1
    assert {reply.status for reply in (*early.result(), *late)} == {200}
    assert sandbox.counters()["search"]["calls"] <= 3


def test_100_readers_of_a_failing_route_share_its_try_and_retry(
    replicas: Replicas, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", 500)
    replies = ask_at_once(urls(replicas, 100, ahead=34))
    assert {(reply.status, reply.body["code"]) for reply in replies} == {
        (503, "amadeus-unavailable")
    }
    assert sandbox.counters()["search"]["calls"] == 2
    assert max(reply.seconds for reply in replies) < 3


def test_a_fetch_of_six_seconds_keeps_its_lock(
    replicas: Replicas, sandbox: SandboxServer, shared_redis: RedisServer
) -> None:
    sandbox.fault("search", "latency", 6000)
    scripts_before = shared_redis.calls("evalsha")
    replies = ask_at_once(urls(replicas, 40, ahead=35))
    scripts = shared_redis.calls("evalsha")
    assert {reply.status for reply in replies} == {200}
    assert sandbox.counters()["search"]["calls"] == 1
    # Three workers wait for the fourth; nobody polls faster than 20 times a second.
    assert (scripts - scripts_before) / 6 < 3 * 20


def test_a_fetch_slower_than_the_ttl_serves_all_who_waited(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 2500)
    settings = {"redis_url": redis_server.url, "cache_ttl": 1, "cache_stale_ttl": 0}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        replies = ask_at_once(urls((one, other), 40))
    assert {reply.status for reply in replies} == {200}
    assert sandbox.counters()["search"]["calls"] == 1


def test_the_owner_of_the_lock_may_die(redis_server: RedisServer, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 4000, count=1)
    settings = {"redis_url": redis_server.url, "web_concurrency": 1}
    with (
        Service.on(sandbox, **settings) as doomed,
        Service.on(sandbox, **settings) as other,
        ThreadPoolExecutor() as threads,
    ):
        lost = threads.submit(ask_at_once, urls((doomed, doomed), 1))
        eventually(lambda: sandbox.counters()["search"]["calls"] == 1)
        waiting = threads.submit(ask_at_once, urls((other, other), 20))
        eventually(lambda: len(other.log("cache.miss")) == 20)
        os.kill(doomed.workers()[0], signal.SIGKILL)
        killed = time.monotonic()
        replies = waiting.result()
        took = time.monotonic() - killed
        assert lost.exception() is not None
    assert {reply.status for reply in replies} == {200}
    assert took < LOCK_SECONDS + 1
    assert sandbox.counters()["search"]["calls"] == 2


def test_with_the_cache_off_a_herd_still_costs_one_call(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 500)
    settings = {"redis_url": redis_server.url, "cache_ttl": 0}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        replies = ask_at_once(urls((one, other), 50))
        assert {reply.status for reply in replies} == {200}
        assert sandbox.counters()["search"]["calls"] == 1
        headers = one.price().headers
        assert headers["X-Cache"] == "miss"
        assert headers["Cache-Status"] == "flight-price-api; fwd=miss"
        assert sandbox.counters()["search"]["calls"] == 2
        assert not one.log("cache.stored")
