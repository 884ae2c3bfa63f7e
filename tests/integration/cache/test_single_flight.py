"""One caller fetches for all, across threads, workers and replicas."""

import datetime as dt
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.services.cache.lifetimes import LOCK_SECONDS
from tests.support.clients.crowd import Reply, ask_at_once, logged
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

Replicas = tuple[Service, Service]


@pytest.fixture(scope="module")
def replicas(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Replicas]:
    """Two replicas of two workers each, on one Redis. Each test uses its own day."""
    settings = {"redis_url": shared_redis.url, "web_concurrency": 2}
    with (
        Service.on(shared_sandbox, **settings) as one,
        Service.on(shared_sandbox, **settings) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def forgetful(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Replicas]:
    """Two replicas of one worker each that keep a price for a second."""
    settings = {"redis_url": shared_redis.url, "web_concurrency": 1}
    settings |= {"cache_ttl": 1, "cache_stale_ttl": 0}
    with (
        Service.on(shared_sandbox, **settings) as one,
        Service.on(shared_sandbox, **settings) as other,
    ):
        yield one, other


@pytest.fixture
def slow_amadeus(sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """An Amadeus so slow that all callers have arrived before its first answer."""
    sandbox.settings(latency=1500)
    yield sandbox
    sandbox.settings(latency=0)


def urls(replicas: Replicas, count: int, extra: str = "", ahead: int = 30) -> list[str]:
    query = f"/flights/price?origin=JFK&destination=LAX&date={some_day(ahead)}{extra}"
    return [replicas[number % 2].url + query for number in range(count)]


def began_at(line: dict[str, Any]) -> float:
    """The begin of the call that a log line describes, in seconds since the epoch."""
    ended = dt.datetime.fromisoformat(line["timestamp"]).timestamp()
    return float(ended - line["duration_ms"] / 1000)


def arrivals(replicas: Replicas, replies: list[Reply]) -> dict[str, float]:
    """The arrival of each request at its worker, by request id."""
    lines = logged(replicas, replies, "http.request")
    return {line["request_id"]: began_at(line) for line in lines}


def test_200_readers_of_a_cold_route_share_one_call(
    replicas: Replicas, slow_amadeus: SandboxServer
) -> None:
    replies = ask_at_once(urls(replicas, 200, ahead=31))
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["X-Cache"] for reply in replies} == {"miss"}
    assert slow_amadeus.calls("search") == 1


def test_100_nocache_readers_share_two_or_three_calls(
    replicas: Replicas, slow_amadeus: SandboxServer
) -> None:
    # Its answers say 1 USD, 2 USD and 3 USD: the fault for one route precedes the general one.
    slow_amadeus.fault("search", "odd_price", "1", count=1, origin="JFK", destination="LAX")
    slow_amadeus.fault("search", "odd_price", "2", count=1, origin="JFK")
    slow_amadeus.fault("search", "odd_price", "3", count=1)
    replies = ask_at_once(urls(replicas, 100, "&nocache=1", ahead=32))
    assert {(reply.status, reply.headers["X-Cache"]) for reply in replies} == {(200, "bypass")}
    assert slow_amadeus.calls("search") in (2, 3)
    calls = sorted(began_at(line) for line in logged(replicas, replies, "amadeus.call"))
    arrived = arrivals(replicas, replies)
    for reply in replies:
        number, _ = reply.body["data"]["price"].split()
        # The log has whole milliseconds.
        assert calls[int(number) - 1] > arrived[reply.headers["X-Request-ID"]] - 0.002


def test_100_readers_of_a_failing_route_share_one_try_and_one_retry(
    replicas: Replicas, slow_amadeus: SandboxServer
) -> None:
    slow_amadeus.fault("search", "status", 500)
    replies = ask_at_once(urls(replicas, 100, ahead=34))
    assert {(reply.status, reply.body["code"]) for reply in replies} == {
        (503, "amadeus-unavailable")
    }
    assert slow_amadeus.calls("search") == 2
    assert len(logged(replicas, replies, "amadeus.retry")) == 1


def test_slow_fetch_keeps_its_lock(
    replicas: Replicas, sandbox: SandboxServer, shared_redis: RedisServer
) -> None:
    sandbox.fault("search", "latency", 6000)
    scripts_before = shared_redis.calls("evalsha")
    replies = ask_at_once(urls(replicas, 40, ahead=35))
    scripts = shared_redis.calls("evalsha")
    assert {reply.status for reply in replies} == {200}
    assert sandbox.calls("search") == 1
    # Three workers wait for the fourth, and each polls at most 20 times a second.
    assert (scripts - scripts_before) / 6 < 3 * 20


def test_fetch_slower_than_the_ttl_serves_all_waiters(
    forgetful: Replicas, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 2500)
    with ThreadPoolExecutor() as threads:
        early = threads.submit(ask_at_once, urls(forgetful, 20, ahead=36))
        eventually(lambda: sandbox.calls("search") == 1)
        time.sleep(
            1.1
        )  # longer than the TTL: the entry being fetched is too old for callers that arrive now
        late = ask_at_once(urls(forgetful, 20, ahead=36))
    assert {reply.status for reply in (*early.result(), *late)} == {200}
    assert sandbox.calls("search") == 1


def test_lock_of_a_killed_worker_is_taken_over(forgetful: Replicas, sandbox: SandboxServer) -> None:
    doomed, other = forgetful
    sandbox.fault("search", "hang", count=1)
    with ThreadPoolExecutor() as threads:
        lost = threads.submit(ask_at_once, urls((doomed, doomed), 1, ahead=37))
        eventually(lambda: sandbox.calls("search") == 1)
        waiting = threads.submit(ask_at_once, urls((other, other), 20, ahead=37))
        eventually(lambda: len(other.log("cache.miss", date=some_day(37))) == 20)
        os.kill(doomed.workers()[0], signal.SIGKILL)
        killed = time.monotonic()
        replies = waiting.result()
        took = time.monotonic() - killed
        assert lost.exception() is not None
    assert {reply.status for reply in replies} == {200}
    assert took < LOCK_SECONDS + 1
    assert sandbox.calls("search") == 2


def test_concurrent_readers_share_one_call_with_the_cache_off(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 2000)
    settings = {"redis_url": redis_server.url, "web_concurrency": 1, "cache_ttl": 0}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        replies = ask_at_once(urls((one, other), 50))
        assert {reply.status for reply in replies} == {200}
        assert sandbox.calls("search") == 1
        headers = one.price().headers
        assert headers["X-Cache"] == "miss"
        assert headers["Cache-Status"] == "flight-price-api; fwd=miss"
        assert sandbox.calls("search") == 2
        assert not one.log("cache.stored")
