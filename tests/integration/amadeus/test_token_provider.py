"""The whole fleet shares one token, which is renewed in the background."""

import datetime as dt
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from api.services.amadeus.replies import Reply
from api.services.amadeus.token_provider import Credentials, TokenProvider
from api.services.cache.layered_store import LayeredStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.clients.crowd import ask_at_once
from tests.support.clients.load import Load
from tests.support.processes import eventually, free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service


def calls_without_redis(*fleet: Service) -> int:
    """How often a busy worker did not reach Redis in time; it then fetches its own token."""
    return sum(len(service.log("cache.unavailable")) for service in fleet)


def test_replicas_that_start_together_fetch_one_token(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    amadeus.fault("token", "latency", 500)
    fleet = [Service.on(amadeus, redis_url=redis_server.url, web_concurrency=2) for _ in range(3)]
    with ExitStack() as stack:
        for service in fleet:
            stack.enter_context(service.just_launched())
        eventually(lambda: sum(len(each.log("service.warmed")) for each in fleet) == 6)
        fetched = sum(len(service.log("token.fetched")) for service in fleet)
        shared = sum(len(service.log("token.shared")) for service in fleet)
        assert fetched == amadeus.calls("token") <= 1 + calls_without_redis(*fleet)
        assert fetched + shared == 6


@pytest.mark.quiet
@pytest.mark.timeout(120)
def test_requests_never_wait_for_a_token_renewal(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    amadeus.settings(token_life=30)
    with ExitStack() as services, ExitStack() as streams:
        fleet = {
            services.enter_context(
                Service.on(amadeus, redis_url=url, web_concurrency=workers)
            ): workers
            for url, workers in ((redis_server.url, 2), (nobody, 2), ("memory://", 1))
        }
        eventually(lambda: all(len(tokens(each)) >= workers for each, workers in fleet.items()))
        for service in fleet:
            service.price()  # the sandbox's first search is slow
        amadeus.fault("token", "latency", 1500)
        loads = [
            streams.enter_context(Load(each.url, per_second=10, routes=2000)) for each in fleet
        ]
        eventually(
            lambda: all(len(tokens(each)) >= 2 * workers for each, workers in fleet.items()),
            within=60,
        )
        streams.close()  # waiting requests are recorded once they have their answer
        for service, load in zip(fleet, loads, strict=True):
            assert load.failed() == []
            for token in service.log("token.fetched"):
                assert "request_id" not in token  # no request fetched it
                assert slowest_across(load, token["timestamp"]) < 1


def tokens(service: Service) -> list[dict[str, object]]:
    """The log lines about new tokens of the workers."""
    return service.log("token.fetched") + service.log("token.shared")


def slowest_across(load: Load, timestamp: str) -> float:
    """The duration of the slowest request that was in progress at that time."""
    ago = time.time() - dt.datetime.fromisoformat(timestamp).timestamp()
    then = time.monotonic() - ago
    across = [each for each in load.outcomes if each.asked_at < then < each.asked_at + each.seconds]
    return max((outcome.seconds for outcome in across), default=0)


def test_revoked_token_is_replaced_once_for_the_whole_fleet(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 2}
    with Service.on(amadeus, **settings) as one, Service.on(amadeus, **settings) as other:
        eventually(lambda: len(one.log("service.warmed") + other.log("service.warmed")) == 4)
        amadeus.revoke_tokens(38193)
        replies = ask_at_once(
            [service.price_url(ahead) for ahead in range(1, 21) for service in (one, other)]
        )
        assert {reply.status for reply in replies} == {200}
        rejection = {"code": "38193"}
        eventually(
            lambda: (
                one.log("token.rejected", **rejection) or other.log("token.rejected", **rejection)
            )
        )
        eventually(lambda: 2 <= amadeus.calls("token") <= 2 + 2 * calls_without_redis(one, other))


def test_upstream_that_rejects_every_token_causes_two_token_calls(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    settings = {"redis_url": redis_server.url, "web_concurrency": 1}
    with Service.on(amadeus, **settings) as one, Service.on(amadeus, **settings) as other:
        amadeus.fault("search", "status", "401:38192")
        for first in (1, 21):
            replies = ask_at_once(
                service.price_url(first + ahead) for ahead in range(20) for service in (one, other)
            )
            assert {(reply.status, reply.body["code"]) for reply in replies} == {
                (502, "amadeus-misconfigured")
            }
        eventually(lambda: 2 <= amadeus.calls("token") <= 2 + 2 * calls_without_redis(one, other))


@pytest.mark.parametrize("hours", [-1, 1])
def test_replica_with_a_wrong_clock_shares_the_token(redis_server: RedisServer, hours: int) -> None:
    replies = [Reply(200, "application/json", b'{"access_token": "the-token"}')]

    def provider_on(store: LayeredStore) -> TokenProvider:
        reader, ours = ReadThrough(store, fetch_timeout=5), Credentials("id", "secret")
        return TokenProvider(store, reader, lambda *_: replies.pop(), "https://x", ours, Metrics())

    def store_with(clock: Callable[[], float]) -> LayeredStore:
        shared = RedisStore(connections_to(redis_server.url), Metrics(), clock)
        return LayeredStore(shared, 3600, Metrics())

    with (
        closing(store_with(time.time)) as store,
        closing(store_with(lambda: time.time() + hours * 3600)) as another,
    ):
        right, wrong = provider_on(store), provider_on(another)
        for provider in (wrong, right, wrong):
            assert provider.token(Deadline(5)).value == "the-token"
        assert wrong.token_age is not None
