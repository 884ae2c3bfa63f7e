"""The whole fleet shares one token, which is renewed in the background."""

import datetime as dt
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from api.services.amadeus.replies import Reply
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import TokenProvider
from api.services.cache.layered_store import LayeredStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.clients.crowd import ask_at_once
from tests.support.clients.load import Load
from tests.support.processes import MAX_START_SECONDS, eventually, free_port
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
        eventually(
            lambda: sum(len(each.log("service.warmed")) for each in fleet) == 6, MAX_START_SECONDS
        )
        fetched = sum(len(service.log("token.fetched")) for service in fleet)
        shared = sum(len(service.log("token.shared")) for service in fleet)
        assert fetched == amadeus.calls("token") <= 1 + calls_without_redis(*fleet)
        assert fetched + shared == 6


RENEWAL_SECONDS = 3
# The configuration of a service that renews a token after a tenth of its life.
EARLY_RENEWALS = """
exec(open("gunicorn.conf.py").read())
from functools import partial
import api.app
from api.services.amadeus.token_provider import RefreshTimes
times = RefreshTimes(refresh_from=0.1, min_sleep=0.1)
api.app.create_app = partial(api.app.create_app, refresh_times=times)
"""


@pytest.mark.timeout(120)
def test_requests_never_wait_for_a_token_renewal(
    redis_server: RedisServer, amadeus: SandboxServer, tmp_path: Path
) -> None:
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(EARLY_RENEWALS)
    settings = {"gunicorn_cmd_args": f"--config {configuration}"}
    nobody = f"redis://127.0.0.1:{free_port()}"
    amadeus.settings(token_life=30)
    # For each service, its workers and the token calls of one renewal.
    fleet = {
        Service.on(amadeus, redis_url=url, web_concurrency=workers, **settings): (workers, calls)
        for url, workers, calls in ((redis_server.url, 2, 1), (nobody, 2, 2), ("memory://", 1, 1))
    }
    with ExitStack() as services, ExitStack() as streams:
        for service in fleet:
            services.enter_context(service).price()  # the sandbox's first search is slow
        amadeus.fault("token", "latency", 1000 * RENEWAL_SECONDS)
        loads = [streams.enter_context(Load(each.url, per_second=5, routes=2000)) for each in fleet]
        for service, (workers, calls) in fleet.items():
            eventually(lambda: len(slow_renewals(service)) >= calls)  # noqa: B023 - called at once
            eventually(lambda: len(tokens(service)) >= 2 * workers)  # noqa: B023
        streams.close()  # waiting requests are recorded once they have their answer
        for service, load in zip(fleet, loads, strict=True):
            assert load.failed() == []
            for token in service.log("token.fetched"):
                assert "request_id" not in token  # no request fetched it
            for token in slow_renewals(service):
                assert slowest_across(load, token["timestamp"]) < RENEWAL_SECONDS - 1


def slow_renewals(service: Service) -> list[dict[str, Any]]:
    """The log lines about tokens that Amadeus was slow to give."""
    lines = service.log("token.fetched")
    return [line for line in lines if line["duration_ms"] >= 1000 * RENEWAL_SECONDS]


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
