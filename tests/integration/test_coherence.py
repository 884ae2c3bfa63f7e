"""The copy in each worker never serves an older price after a nocache answer."""

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crowd import ask_at_once
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day

COHERENT_SECONDS = 0.1
Fleet = tuple[Service, Service]


@pytest.fixture
def fleet(redis_server: RedisServer, sandbox: SandboxServer) -> Iterator[Fleet]:
    """Two replicas of one worker each, so that a request's worker is known."""
    settings = {"redis_url": redis_server.url, "web_concurrency": 1}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        yield one, other


def price(service: Service, **parameters: str) -> str:
    return str(service.price(**parameters).json()["data"]["price"])


def reprice(service: Service, sandbox: SandboxServer, amount: int) -> str:
    """Amadeus changes its price, and somebody asks for it with nocache."""
    sandbox.fault("search", "odd_price", f"{amount}.00")
    return price(service, nocache="1")


def test_a_nocache_answer_reaches_every_worker_within_a_tenth_of_a_second(
    fleet: Fleet, sandbox: SandboxServer
) -> None:
    one, other = fleet
    assert price(one) == price(other)
    for amount in range(101, 121):
        fresh = reprice(one, sandbox, amount)
        assert fresh.startswith(f"{amount} ")
        time.sleep(COHERENT_SECONDS)  # the promise itself is a span of time
        assert price(other) == fresh


def test_hits_need_no_round_trip(fleet: Fleet, redis_server: RedisServer) -> None:
    service, _ = fleet
    service.price()
    service.price()
    gets = redis_server.calls("get")
    for _ in range(50):
        assert service.price().headers["X-Cache"] == "hit"
    assert redis_server.calls("get") - gets < 5


def test_a_lost_subscription_leaves_no_old_price(
    fleet: Fleet, sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    one, other = fleet
    assert price(one) == price(other)
    for amount in range(101, 111):
        redis_server.client.client_kill_filter(_type="pubsub")
        fresh = reprice(one, sandbox, amount)
        time.sleep(COHERENT_SECONDS)
        assert price(other) == fresh


def test_the_copy_is_used_again_after_a_reconnect(fleet: Fleet, redis_server: RedisServer) -> None:
    service, _ = fleet
    redis_server.client.client_kill_filter(_type="pubsub")

    def answers_from_the_copy() -> bool:
        gets = redis_server.calls("get")
        for _ in range(10):
            service.price()
        return redis_server.calls("get") - gets < 5

    eventually(answers_from_the_copy)


def test_a_flood_of_announcements_delays_no_news(
    fleet: Fleet, sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    one, other = fleet
    assert price(one) == price(other)
    pipeline = redis_server.client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.publish("fp:1:announcements", f"nobody|{number}\nnot ours at all")
    pipeline.execute()
    fresh = reprice(one, sandbox, 101)
    eventually(lambda: price(other) == fresh, within=1)


def test_the_copy_is_bounded(sandbox: SandboxServer, redis_server: RedisServer) -> None:
    with Service.on(sandbox, redis_url=redis_server.url, web_concurrency=1) as service:
        service.price()
        (pid,) = service.workers()
        body = b"x" * 100_000
        before = resident_bytes(pid)
        for number in range(1000):
            message = b"price|flood|%d\n1 %.6f %.6f 600.000\n" % (number, now(), now()) + body
            redis_server.client.publish("fp:1:announcements", message)
        eventually(lambda: service.price().status_code == 200)
        assert resident_bytes(pid) - before < 64 * 1024 * 1024


def now() -> float:
    return time.time()


def resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_readers_during_repeated_nocache_see_prices_only_grow_newer(
    fleet: Fleet, sandbox: SandboxServer
) -> None:
    one, other = fleet
    url = f"/flights/price?origin=JFK&destination=LAX&date={some_day()}"
    seen: list[int] = []
    for amount in range(101, 116):
        reprice(one, sandbox, amount)
        replies = ask_at_once([other.url + url] * 4)
        seen += [int(reply.body["data"]["price"].split()[0]) for reply in replies]
    assert seen == sorted(seen)
