"""Calls to Amadeus: pacing, retries, deadlines and the circuit breaker."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import count, cycle

import pytest

from api.services.amadeus.pacing import interval
from tests.support.clients.crowd import ask_at_once
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day, started_together

pytestmark = pytest.mark.long
DAYS = count(30)


@pytest.fixture(scope="module")
def _impatient(shared_sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(shared_sandbox, amadeus_timeout=1) as service:
        # The sandbox's first search reads the airports, which is slow on a busy machine.
        eventually(lambda: service.price(date=some_day(next(DAYS))).is_success)
        yield service


@pytest.fixture
def impatient(_impatient: Service, sandbox: SandboxServer) -> Iterator[Service]:
    """A service that waits one second for Amadeus; a last success closes its circuit."""
    yield _impatient
    sandbox.clear()
    assert _impatient.price(date=some_day(next(DAYS))).status_code == 200


@pytest.fixture(scope="module")
def _slow(shared_sandbox: SandboxServer, shared_redis: RedisServer) -> Iterator[Service]:
    settings = {"amadeus_rate_limit": 5, "request_deadline": 4, "web_concurrency": 1}
    with Service.on(shared_sandbox, redis_url=shared_redis.url, **settings) as service:
        yield service


@pytest.fixture
def slow(_slow: Service, sandbox: SandboxServer) -> Iterator[Service]:
    """A service with five Amadeus calls a second, a 4 s deadline and an empty queue."""
    yield _slow
    sandbox.clear()
    assert _slow.price(date=some_day(next(DAYS))).status_code == 200


@pytest.mark.parametrize(
    ("fault", "arg"),
    [("status", "500:141"), ("status", "429:38194"), ("reset", None), ("truncated", None)],
)
def test_temporary_failure_is_retried_once(
    impatient: Service, sandbox: SandboxServer, fault: str, arg: str | None
) -> None:
    retries = len(impatient.log("amadeus.retry"))
    sandbox.fault("search", fault, arg, count=1)
    assert impatient.price(date=some_day(next(DAYS))).status_code == 200
    assert sandbox.counters()["search"]["calls"] == 2
    assert len(impatient.log("amadeus.retry")) == retries + 1


@pytest.mark.parametrize(
    ("fault", "arg", "code"),
    [
        ("status", "400:425", "rejected-by-amadeus"),
        ("status", "403:38197", "amadeus-misconfigured"),
        ("hang", None, "amadeus-timeout"),
        ("redirect", "http://127.0.0.1:1/", "amadeus-bad-answer"),
    ],
)
def test_permanent_failure_is_not_retried(
    impatient: Service, sandbox: SandboxServer, fault: str, arg: str | None, code: str
) -> None:
    sandbox.fault("search", fault, arg, count=1)
    assert impatient.price(date=some_day(next(DAYS))).json()["code"] == code
    assert sandbox.counters()["search"]["calls"] == 1


def test_simultaneous_failures_are_retried_at_different_times(
    impatient: Service, sandbox: SandboxServer
) -> None:
    before = len(impatient.log("amadeus.retry"))
    sandbox.fault("search", "status", 500)
    ask_at_once(some_prices(impatient, 4))
    eventually(lambda: len(impatient.log("amadeus.retry")) == before + 4)
    pauses = [line["pause_ms"] for line in impatient.log("amadeus.retry")[before:]]
    assert len(set(pauses)) > 1
    assert all(100 <= pause <= 400 for pause in pauses)


def test_retry_needs_enough_time_left(slow: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "status", 500)
    sandbox.settings(latency=3200)
    try:
        assert slow.price(date=some_day(next(DAYS))).json()["code"] == "amadeus-unavailable"
    finally:
        sandbox.settings(latency=0)
    assert sandbox.calls("search") == 1


def test_retry_ends_with_the_deadline(slow: Service, sandbox: SandboxServer) -> None:
    before = len(slow.log("amadeus.call"))
    sandbox.fault("search", "hang")
    sandbox.fault("search", "status", 500, count=1, origin="JFK", destination="LAX")
    assert slow.price(date=some_day(next(DAYS))).json()["code"] == "amadeus-timeout"
    eventually(lambda: len(slow.log("amadeus.call")) == before + 2)
    failed, again = slow.log("amadeus.call")[before:]
    (retry,) = slow.log("amadeus.retry", request_id=again["request_id"])
    (request,) = slow.log("http.request", request_id=again["request_id"])
    limit = re.fullmatch(r"amadeus-timeout: no answer within ([0-9.]+) s", again["error"])
    assert limit
    spent = (failed["duration_ms"] + retry["pause_ms"]) / 1000
    assert 0 < float(limit[1]) <= 4.001 - spent  # the pause is logged in whole milliseconds
    assert again["duration_ms"] < 4000 <= request["duration_ms"]


@pytest.mark.parametrize("fault", ["slow_headers", "slow_body"])
def test_slowly_dripped_reply_ends_at_the_deadline(
    impatient: Service, sandbox: SandboxServer, fault: str
) -> None:
    sandbox.fault("search", fault, 0.2)
    (reply,) = ask_at_once([impatient.price_url(next(DAYS))])
    assert reply.body["code"] == "amadeus-timeout"
    assert reply.seconds < 2


def test_circuit_opens_after_failures_and_one_probe_closes_it(
    impatient: Service, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", 500)
    ask_at_once(some_prices(impatient, 6))
    calls = sandbox.calls("search")
    held_back = ask_at_once(some_prices(impatient, 20))
    assert {reply.status for reply in held_back} == {503}
    retry_after = {int(reply.headers["Retry-After"]) for reply in held_back}
    assert retry_after <= {1, 2, 3, 4, 5}
    assert sandbox.calls("search") == calls
    sandbox.fault("search", "latency", 500)
    time.sleep(max(retry_after))
    probed = ask_at_once(some_prices(impatient, 5))
    assert sorted(reply.status for reply in probed) == [200, 503, 503, 503, 503]
    eventually(lambda: impatient.log("amadeus.circuit_closed"))
    assert len(impatient.log("amadeus.circuit_opened")) == 1
    assert len(impatient.log("amadeus.circuit_closed")) == 1


@pytest.mark.timing
def test_fleet_keeps_the_rate_limit_of_the_test_environment(
    amadeus: SandboxServer, redis_server: RedisServer
) -> None:
    amadeus.settings(rate_limit="test")
    settings = {"redis_url": redis_server.url, "amadeus_rate_limit": 10, "web_concurrency": 1}
    with Service.on(amadeus, **settings) as one, Service.on(amadeus, **settings) as other:
        one.price(date=some_day(60))  # the sandbox's first answer is slow
        with ThreadPoolExecutor(50) as threads:
            asked = []
            # Twice the allowed rate, in single requests: clients and Amadeus share this machine.
            for ahead, replica in zip(range(1, 51), cycle((one, other)), strict=False):
                asked.append(threads.submit(replica.http.get, replica.price_url(ahead)))
                time.sleep(0.05)
            answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert amadeus.counters()["search"]["refused"] == 0
    # 50 calls at 10 a second, less the headroom; the last is requested after 2.5 s.
    assert 2.2 < max(answer.elapsed.total_seconds() for answer in answers) < 5.2


@pytest.mark.timing
def test_fifty_concurrent_misses_are_served_within_the_test_rate_limit(
    amadeus: SandboxServer, redis_server: RedisServer
) -> None:
    amadeus.settings(rate_limit="test")
    settings = {"redis_url": redis_server.url, "amadeus_rate_limit": 10, "web_concurrency": 1}
    one, other = Service.on(amadeus, **settings), Service.on(amadeus, **settings)
    with started_together(one, other):
        one.price(date=some_day(60))  # the sandbox's first answer is slow
        replies = ask_at_once(
            [one.price_url(ahead) for ahead in range(1, 26)]
            + [other.price_url(ahead) for ahead in range(26, 51)]
        )
        assert {reply.status for reply in replies} == {200}
        # While a worker accepts 25 clients, one call may arrive too close to the next.
        assert amadeus.counters()["search"]["refused"] <= 1
        # 50 calls at 10 a second, less the headroom: no call waits longer than the pacing requires.
        assert max(reply.seconds for reply in replies) > 4.5
        assert max(waits_ms(one, other)) <= 50 * 1000 * interval(10)


def waits_ms(*fleet: Service) -> list[int]:
    """How long the calls waited for their turns."""
    return [line["wait_ms"] for each in fleet for line in each.log("amadeus.paced")]


def test_full_pacing_queue_is_refused_with_a_correct_retry_after(slow: Service) -> None:
    with ThreadPoolExecutor(30) as threads:
        crowd = [threads.submit(slow.http.get, url) for url in some_prices(slow, 30)]
        answers = (answer.result() for answer in as_completed(crowd))
        refused = next(answer for answer in answers if answer.status_code == 503)
        waiting = [answer for answer in crowd if not answer.done()]
        time.sleep(int(refused.headers["Retry-After"]))
        # More than would be served if half of the queue were still occupied.
        assert {reply.status for reply in ask_at_once(some_prices(slow, 7))} == {200}
    assert refused.json()["code"] == "amadeus-unavailable"
    # It was refused while others waited for their turn.
    assert 200 in {answer.result().status_code for answer in waiting}
    assert slow.log("amadeus.paced")


@pytest.mark.timing
def test_queued_caller_has_time_left_for_its_call(slow: Service, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "latency", 1500)
    statuses = [reply.status for reply in ask_at_once(some_prices(slow, 30))]
    assert set(statuses) == {200, 503}
    assert sandbox.calls("search") == statuses.count(200) > 5


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("SET", ["4102444800"]),
        ("SET", ["4102444801 4102444800", "EX", "3600"]),  # as if a clock had been set back
        ("SET", ["inf inf"]),
        ("SET", ["much later"]),
        ("RPUSH", ["a"]),
    ],
)
def test_unreadable_pacing_record_in_redis_is_replaced(
    slow: Service, redis_server: RedisServer, command: str, value: list[str]
) -> None:
    slow.price(date=some_day(next(DAYS)))
    (turn,) = redis_server.keys("fp:1:turn:*")
    redis_server.client.delete(turn)
    redis_server.client.execute_command(command, turn, *value)  # type: ignore[no-untyped-call]
    assert slow.price(date=some_day(next(DAYS))).status_code == 200
    assert float(redis_server.get(turn).split()[0]) < time.time() + 5
    assert not slow.log("cache.unavailable")


def some_prices(service: Service, number: int) -> list[str]:
    return [service.price_url(next(DAYS)) for _ in range(number)]


@pytest.mark.timing
def test_exhausted_quota_stops_the_calls_of_the_whole_fleet(
    amadeus: SandboxServer, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 2}
    with (
        Service.on(amadeus, **settings, amadeus_rate_limit=0.5) as one,
        Service.on(amadeus, **settings) as other,
    ):
        amadeus.fault("search", "status", "429:38195")
        # Turns are two seconds apart: enough time for all workers to learn of the first refusal.
        queued = ask_at_once(some_prices(one, 4))
        replies = queued + ask_at_once(some_prices(other, 10))
        assert {reply.body["code"] for reply in replies} == {"amadeus-quota"}
        assert all(int(reply.headers["Retry-After"]) > 3000 for reply in replies)
        assert other.price().json()["code"] == "amadeus-quota"
        assert other.get("/readyz").json()["checks"]["amadeus"]["status"] == "quota"
        assert amadeus.calls("search") == 1


def test_time_that_amadeus_names_stops_the_searches_of_the_whole_fleet(
    amadeus: SandboxServer, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 2}
    with Service.on(amadeus, **settings) as one, Service.on(amadeus, **settings) as other:
        amadeus.fault("search", "status", "429:38194:5", count=1)
        assert one.price(date=some_day(next(DAYS))).headers["Retry-After"] == "5"
        replies = ask_at_once(some_prices(one, 5) + some_prices(other, 5))
        assert {reply.body["code"] for reply in replies} == {"amadeus-unavailable"}
        assert amadeus.calls("search") == 1
        time.sleep(max(int(reply.headers["Retry-After"]) for reply in replies))
        again = ask_at_once(some_prices(one, 5) + some_prices(other, 5))
        assert {reply.status for reply in again} == {200}


def test_fifty_calls_share_a_handful_of_connections(
    impatient: Service, sandbox: SandboxServer
) -> None:
    for _ in range(10):
        ask_at_once(some_prices(impatient, 5))
    assert sandbox.calls("search") == 50
    # One connection each for the service and for the test's own requests.
    assert service_connections(sandbox) <= 10


def service_connections(amadeus: SandboxServer) -> int:
    first = amadeus.counters()["connections"]["opened"]
    own = amadeus.counters()["connections"]["opened"] - first
    opened: int = first - own * 2
    return opened
