"""Many replicas behind the balancer. `make test ARGS="-k replicas -rP"` prints the figures."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.clients import plain_http
from tests.support.clients.load import Load
from tests.support.clients.wire import PING, Wire
from tests.support.processes import eventually
from tests.support.servers.balancer import Balancer
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

# Redis is empty, and Amadeus is well.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("redis_server", "sandbox")]
WARM = 40  # requests


@pytest.fixture(scope="module")
def running_replicas(
    shared_redis: RedisServer, shared_sandbox: SandboxServer
) -> Iterator[list[Service]]:
    settings = {"redis_url": shared_redis.url, "web_concurrency": 1}
    with ExitStack() as running:
        services = [Service.on(shared_sandbox, **settings) for _ in range(3)]
        yield [running.enter_context(service) for service in services]


@pytest.fixture
def replicas(running_replicas: list[Service]) -> list[Service]:
    """Three running replicas of one worker each."""
    for replica in running_replicas:
        if replica.process.poll() is not None:
            replica.launch()
    eventually(lambda: all(is_ready(replica) for replica in running_replicas))
    return running_replicas


def is_ready(replica: Service) -> bool:
    return plain_http.get(f"{replica.url}/readyz").is_success


@pytest.fixture
def balancer(replicas: list[Service]) -> Iterator[Balancer]:
    with Balancer(replicas) as balancer:
        yield balancer


def test_balancer_responses_do_not_name_software(balancer: Balancer) -> None:
    answers = [plain_http.get(f"{balancer.url}{path}") for path in ("/healthz", "/nope")]

    assert [answer.status_code for answer in answers] == [200, 404]
    assert not {"server", "via"} & {name for answer in answers for name in answer.headers}


def test_balancer_cuts_off_slow_senders(balancer: Balancer) -> None:
    started = time.monotonic()
    with Wire(balancer) as head, Wire(balancer) as body:
        body.send(b"POST /flights/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n")
        head.send(PING[:-2])
        head.drip_until_cut_off()
        body.read()

    assert time.monotonic() - started < 7


def test_balancer_ignores_addresses_that_clients_claim() -> None:
    with (
        Service(client_rate_limit=1, forwarded_allow_ips="127.0.0.1") as replica,
        Balancer([replica]) as balancer,
        plain_http.client() as client,
    ):
        url = replica.price_url().replace(replica.url, balancer.url)
        invented = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(3)]
        statuses = [client.get(url, headers=headers).status_code for headers in invented]
        believed = client.get(replica.price_url(), headers=invented[0]).status_code

    assert statuses == [200, 429, 429]
    assert believed == 200  # as if by a proxy that removes nothing


def test_replicas_share_fetched_prices(replicas: list[Service], sandbox: SandboxServer) -> None:
    nobody_asked_for = some_day(200)
    statuses = set()
    with Balancer(replicas) as balancer:

        def each_was_asked() -> bool:
            statuses.add(plain_http.get(price_url(balancer, nobody_asked_for)).status_code)
            return all(nobody_asked_for in replica.log_text for replica in replicas)

        eventually(each_was_asked)
    assert statuses == {200}
    assert sandbox.counters()["search"]["calls"] == 1


def test_rolling_restart_of_replicas_fails_no_request(
    replicas: list[Service],
) -> None:
    with Balancer(replicas) as balancer, some_load(balancer) as load:
        for replica in replicas:
            seen = len(load.outcomes)
            eventually(lambda: len(load.outcomes) > seen + WARM)  # noqa: B023 - called at once
            assert replica.stop() == 0
            replica.launch()
            eventually(lambda: is_ready(replica))  # noqa: B023
    print(f"3 replicas restarted: {load.summary()}")  # noqa: T201 - docs/operations.md tells it
    assert load.failed() == []


def test_killed_replica_fails_no_request(replicas: list[Service]) -> None:
    with Balancer(replicas) as balancer, some_load(balancer) as load:
        eventually(lambda: len(load.outcomes) > WARM)
        send(replicas[0], signal.SIGKILL)
        eventually(lambda: len(load.outcomes) > 3 * WARM)
    print(f"1 of 3 replicas killed: {load.summary()}")  # noqa: T201 - docs/operations.md tells it
    assert load.failed() == []


def test_frozen_replica_delays_some_requests_and_fails_none(
    replicas: list[Service], sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "latency", 500)
    with Balancer(replicas) as balancer, some_load(balancer, routes=2000) as load:
        eventually(lambda: len(load.outcomes) > WARM)
        send(replicas[0], signal.SIGSTOP)
        try:
            eventually(lambda: [each for each in load.outcomes if each.seconds > 10], within=30)
        finally:
            send(replicas[0], signal.SIGKILL)
    waited = [each.seconds for each in load.outcomes if each.seconds > 10]
    told = f"{len(waited)} waited, {max(waited):.1f} s at most"
    print(f"1 of 3 replicas frozen: {load.summary()}; {told}")  # noqa: T201 - docs/operations.md
    assert load.failed() == []


def send(replica: Service, number: signal.Signals) -> None:
    """Send a signal to all processes of a replica."""
    for process in (replica.process.pid, *replica.workers()):
        os.kill(process, number)


def price_url(balancer: Balancer, date: str) -> str:
    return f"{balancer.url}/flights/price?origin=JFK&destination=LAX&date={date}"


def some_load(balancer: Balancer, routes: int = 40) -> Load:
    """A load that the machine can take beside other tests and three replicas."""
    return Load(balancer.url, per_second=20, routes=routes)
