"""Searches of a fleet: two replicas of two workers share a Redis and Amadeus's rate limit."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.services.amadeus.pacing import interval
from tests.support.clients.crowd import ask_at_once
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day, started_together

Replicas = tuple[Service, Service]
QUICK_RATE = 40.0
SLOW_RATE = 10.0
DAYS = 31
NINE_TURNS_MS = 1000 * 9 * interval(SLOW_RATE)
_starts = count(40, DAYS)


@contextmanager
def fleet(
    redis: RedisServer, amadeus: SandboxServer, rate: float, **more: float
) -> Iterator[Replicas]:
    settings = {"redis_url": redis.url, "web_concurrency": 2, "amadeus_rate_limit": rate, **more}
    one, other = Service.on(amadeus, **settings), Service.on(amadeus, **settings)
    with started_together(one, other):
        one.price()  # the sandbox's first answer is slow
        yield one, other


@pytest.fixture(scope="module")
def quick(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Replicas]:
    """A fleet that may make 40 calls a second, which is the limit of production."""
    with fleet(shared_redis, shared_sandbox, QUICK_RATE) as replicas:
        yield replicas


@pytest.fixture(scope="module")
def slow(shared_redis: RedisServer, shared_sandbox: SandboxServer) -> Iterator[Replicas]:
    """A fleet that may make ten calls a second."""
    with fleet(shared_redis, shared_sandbox, SLOW_RATE, request_deadline=9) as replicas:
        yield replicas


@pytest.fixture
def slow_amadeus(sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """An Amadeus that takes a second."""
    sandbox.settings(latency=1000)
    yield sandbox
    sandbox.settings(latency=0)


def cold_days() -> dict[str, str]:
    """A month of days that no other test uses."""
    first = next(_starts)
    return {"from": some_day(first), "to": some_day(first + DAYS - 1)}


def url(replica: Service, path: str, **query: str) -> str:
    query = {"origin": "JFK", "destination": "LAX", **query}
    return str(httpx2.URL(f"{replica.url}{path}", params=query))


def calendars(replicas: Replicas, number: int, days: dict[str, str]) -> list[str]:
    return [url(replicas[each % 2], "/flights/calendar", **days) for each in range(number)]


@pytest.mark.timing
def test_ten_people_who_ask_for_a_cold_month_cost_the_calls_of_one(
    quick: Replicas, slow_amadeus: SandboxServer
) -> None:
    slow_amadeus.clear()  # it counted a call of the fleet's start
    replies = ask_at_once(calendars(quick, 10, cold_days()))

    answers = [(reply.status, reply.body["data"]["missing"]) for reply in replies]
    assert answers == [(200, [])] * 10
    assert {len(reply.body["data"]["days"]) for reply in replies} == {DAYS}
    assert [line for replica in quick for line in replica.log("cache.unavailable")] == []
    assert [line for replica in quick for line in replica.log("amadeus.retry")] == []
    assert slow_amadeus.calls("search") == DAYS
    assert sum(int(reply.headers["X-Upstream-Calls"]) for reply in replies) == DAYS
    assert max(reply.seconds for reply in replies) < 5


@pytest.mark.timing
def test_fleet_keeps_the_rate_limit_of_production(quick: Replicas, sandbox: SandboxServer) -> None:
    sandbox.settings(rate_limit="production")
    replies = ask_at_once([quick[ahead % 2].price_url(ahead) for ahead in range(200, 280)])
    sandbox.settings(rate_limit="none")

    assert {reply.status for reply in replies} == {200}
    assert sandbox.counters()["search"]["refused"] == 0
    # 80 calls at 40 a second, less the headroom: no call waits longer than the pacing requires.
    assert max(reply.seconds for reply in replies) > 2
    assert max(waits(quick)) <= 80 * 1000 * interval(QUICK_RATE)


@contextmanager
def five_calendars(replicas: Replicas, days: dict[str, str]) -> Iterator[list[Any]]:
    """Five calendars of different parties, which together are more than Amadeus takes in time."""
    with ThreadPoolExecutor(5) as threads:
        asked = [
            threads.submit(replicas[each % 2].get, "/flights/calendar", **query)
            for each in range(5)
            for query in [{"origin": "JFK", "destination": "LAX", "adults": str(each + 1), **days}]
        ]
        eventually(lambda: max(waits(replicas), default=0.0) > NINE_TURNS_MS * 0.7)
        yield asked


def waits(replicas: Replicas, request_id: str | None = None) -> list[float]:
    fields = {} if request_id is None else {"request_id": request_id}
    return [
        line["wait_ms"] for replica in replicas for line in replica.log("amadeus.paced", **fields)
    ]


def test_single_price_waits_at_most_nine_turns_beside_five_calendars(
    slow: Replicas, sandbox: SandboxServer
) -> None:
    days = cold_days()
    with five_calendars(slow, days) as asked:
        singles = [
            slow[number % 2].price(date=some_day(20 + number), adults="9") for number in range(4)
        ]
        # A day that the calendars want, but have not begun.
        wanted = slow[0].price(date=days["to"], adults="5")
        answers = [each.result() for each in asked]

    prices = [*singles, wanted]
    assert {price.status_code for price in prices} == {200}
    waited = [wait for price in prices for wait in waits(slow, price.headers["X-Request-ID"])]
    assert len(waited) >= len(singles)
    assert max(waited) <= NINE_TURNS_MS
    assert {answer.status_code for answer in answers} == {200}
    # No calendar had more than its turns, and none was made to fail by the others.
    codes = {day["code"] for answer in answers for day in answer.json()["data"]["missing"]}
    assert codes <= {"not-in-time", "amadeus-timeout"}
    assert sandbox.counters()["search"]["refused"] == 0


def streamed(replica: Service, days: dict[str, str]) -> AbstractContextManager[httpx2.Response]:
    query = {"origin": "JFK", "destination": "LAX", **days}
    headers = {"Accept": "application/x-ndjson"}
    return replica.http.stream("GET", "/flights/calendar", params=query, headers=headers)


def test_reader_who_goes_away_stops_further_days(slow: Replicas, sandbox: SandboxServer) -> None:
    replica, days = slow[0], cold_days()
    with streamed(replica, days) as response:
        first = json.loads(next(response.iter_lines()))
        request_id = response.headers["X-Request-ID"]
    assert first["departure_date"] >= days["from"]
    eventually(lambda: replica.log("http.request", request_id=request_id))

    # Both prices go behind the turns that were given out until then.
    replica.price(adults="8")
    calls = sandbox.calls("search")
    replica.price(adults="7")

    assert sandbox.calls("search") == calls + 1
    assert calls < DAYS
    [line] = replica.log("http.request", request_id=request_id)
    assert line["fetched"] < DAYS


def lines_until_the_end(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    """The lines of a stream, until it ends without its last chunk."""
    try:
        for line in response.iter_lines():
            yield json.loads(line)
    except httpx2.RemoteProtocolError:
        return
    raise AssertionError("the stream has a regular end")


# The configuration of a service in which a calendar ends with a bug.
BUGGY = """
exec(open("gunicorn.conf.py").read())
init = post_worker_init
def post_worker_init(worker):
    from api.resources import calendar
    calendar._cheapest = lambda days: {}["a bug"]
    init(worker)
"""


def test_bug_after_the_head_cuts_the_connection(
    shared_sandbox: SandboxServer, tmp_path: Path
) -> None:
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(BUGGY)
    arguments = f"--config {configuration}"
    with Service.on(shared_sandbox, gunicorn_cmd_args=arguments, redis_url="") as service:
        with streamed(service, cold_days()) as response:
            lines = list(lines_until_the_end(response))

        assert len(lines) == DAYS
        assert all("departure_date" in line for line in lines)
        request_id = response.headers["X-Request-ID"]
        assert len(service.log("http.request", request_id=request_id)) == 1
        assert len(service.log("http.error", request_id=request_id)) == 1
        assert not service.log("gunicorn", level="error")
