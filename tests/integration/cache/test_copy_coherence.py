"""The copy in each worker never serves an older price after a nocache answer."""

import resource
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.clients.crowd import ask_at_once
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day, started_together

COHERENT_SECONDS = 0.1
Fleet = tuple[Service, Service]


unasked = count(1)


@pytest.fixture(scope="module")
def replicas(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Fleet]:
    """Two replicas of one worker each, so that it is known which worker answers."""
    settings = {"redis_url": shared_redis.url, "web_concurrency": 1}
    one, other = Service.on(shared_sandbox, **settings), Service.on(shared_sandbox, **settings)
    with started_together(one, other):
        yield one, other


@pytest.fixture
def fleet(replicas: Fleet, sandbox: SandboxServer) -> Fleet:
    """Both replicas, with an Amadeus without faults."""
    del sandbox
    return replicas


@pytest.fixture
def day() -> str:
    """A day that no earlier test has requested."""
    return some_day(next(unasked))


def ask(path: str, service: Service, day: str, **parameters: str) -> str:
    """Ask for a price or an offer, and return its price."""
    query = {"origin": "JFK", "destination": "LAX", "date": day, **parameters}
    return str(service.get(f"/flights/{path}", **query).json()["data"]["price"])


def price(service: Service, day: str, **parameters: str) -> str:
    return ask("price", service, day, **parameters)


def reprice(
    service: Service, day: str, sandbox: SandboxServer, amount: int, path: str = "price"
) -> str:
    """Amadeus changes its price, and a client requests it with nocache."""
    sandbox.fault("search", "odd_price", f"{amount}.00")
    return ask(path, service, day, nocache="1")


@pytest.mark.timing
def test_nocache_answer_reaches_every_worker_within_a_tenth_of_a_second(
    fleet: Fleet, day: str, sandbox: SandboxServer
) -> None:
    one, other = fleet
    assert price(one, day) == price(other, day)
    for amount, path in enumerate(["price", "offer"] * 10, 101):
        fresh = reprice(one, day, sandbox, amount, path)
        assert fresh.startswith(f"{amount} ")
        time.sleep(COHERENT_SECONDS)  # the promise itself is a time span
        seen = {ask(path, each, day) for each in fleet for path in ("price", "offer")}
        assert seen == {fresh}


@pytest.mark.timing
def test_lost_subscription_leaves_no_old_price_in_the_copy(
    fleet: Fleet, day: str, sandbox: SandboxServer, shared_redis: RedisServer
) -> None:
    one, other = fleet
    assert price(one, day) == price(other, day)
    for amount in range(101, 111):
        shared_redis.client.client_kill_filter(_type="pubsub")
        fresh = reprice(one, day, sandbox, amount)
        time.sleep(COHERENT_SECONDS)
        assert price(other, day) == fresh


def test_hits_in_the_copy_need_no_redis_round_trip(
    fleet: Fleet, day: str, shared_redis: RedisServer
) -> None:
    service, _ = fleet
    service.price(date=day)
    service.price(date=day)
    gets = shared_redis.calls("get")
    for _ in range(50):
        assert service.price(date=day).headers["X-Cache"] == "hit"
    assert shared_redis.calls("get") - gets < 5


def test_copy_is_used_again_after_redis_reconnects(
    fleet: Fleet, day: str, shared_redis: RedisServer
) -> None:
    service, _ = fleet
    service.price(date=day)
    shared_redis.client.client_kill_filter(_type="pubsub")

    def answers_from_the_copy() -> bool:
        gets = shared_redis.calls("get")
        for _ in range(10):
            service.price(date=day)
        return shared_redis.calls("get") - gets < 5

    eventually(answers_from_the_copy)


@pytest.mark.timing
def test_flood_of_announcements_does_not_delay_a_new_price(
    fleet: Fleet, day: str, sandbox: SandboxServer, shared_redis: RedisServer
) -> None:
    one, other = fleet
    assert price(one, day) == price(other, day)
    pipeline = shared_redis.client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.publish("fp:1:announcements", f"nobody|{number}\nnot ours at all")
    pipeline.execute()
    fresh = reprice(one, day, sandbox, 101)
    eventually(lambda: price(other, day) == fresh, within=1)


def test_readers_during_repeated_nocache_never_see_an_older_price_again(
    fleet: Fleet, day: str, sandbox: SandboxServer
) -> None:
    one, other = fleet
    url = f"/flights/price?origin=JFK&destination=LAX&date={day}"
    seen: list[int] = []
    for amount in range(101, 116):
        reprice(one, day, sandbox, amount)
        replies = ask_at_once([other.url + url] * 4)
        seen += [int(reply.body["data"]["price"].split()[0]) for reply in replies]
    assert seen == sorted(seen)


def test_copy_has_a_maximum_size(
    fleet: Fleet, day: str, sandbox: SandboxServer, shared_redis: RedisServer
) -> None:
    service, other = fleet
    service.price(date=day)
    (pid,) = service.workers()
    body = b"x" * 100_000
    before = resident_bytes(pid)
    for number in range(1000):
        message = b"price|flood|%d\n1 %.6f %.6f 600.000\n" % (number, now(), now()) + body
        shared_redis.client.publish("fp:1:announcements", message)
    last = reprice(other, day, sandbox, 101)
    eventually(lambda: price(service, day) == last)  # and it has received all earlier announcements
    assert resident_bytes(pid) - before < 64 * 1024 * 1024


def now() -> float:
    return time.time()


def resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()
