"""Failing or odd token replies cause few calls to Amadeus, and do not prevent the start."""

import datetime as dt

from tests.support.clients.load import Load
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service


def test_failing_token_endpoint_is_called_with_growing_pauses(
    redis_server: RedisServer, sandbox: SandboxServer
) -> None:
    sandbox.fault("token", "status", 401)
    settings = {"redis_url": redis_server.url, "web_concurrency": 1}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        with Load(one.url, per_second=10) as load, Load(other.url, per_second=10) as more:
            eventually(lambda: len(load.outcomes) > 8 * 10)  # that is, for eight seconds
        assert {outcome.status for outcome in load.outcomes + more.outcomes} == {502}
        # At 0, 1, 3 and 7 seconds.
        assert 2 <= sandbox.calls("token") <= 5
        assert one.log("token.failed") + other.log("token.failed")


def test_token_with_a_tiny_lifetime_causes_few_token_calls(sandbox: SandboxServer) -> None:
    sandbox.fault("token", "tiny_expires_in", 1)
    with Service.on(sandbox) as service, Load(service.url, per_second=10, routes=2000) as load:
        eventually(lambda: len(asked_at(service)) > 1)
        first, second, *_ = asked_at(service)
        assert second - first > 6.7  # that is, at most nine times a minute
    assert load.failed() == []


def asked_at(service: Service) -> list[float]:
    """The time of each successful token call, in seconds since the epoch."""
    return [
        dt.datetime.fromisoformat(line["timestamp"]).timestamp() - line["duration_ms"] / 1000
        for line in service.log("token.fetched")
    ]
