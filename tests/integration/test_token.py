"""One token for the whole fleet, of which nobody has to think."""

import base64
from contextlib import ExitStack

import pytest

from tests import plain_http
from tests.crowd import ask_at_once
from tests.load import Load
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service


def test_a_fleet_that_starts_at_once_fetches_one_token(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    amadeus.fault("token", "latency", 500)
    fleet = [Service.on(amadeus, redis_url=redis_server.url, web_concurrency=2) for _ in range(3)]
    for service in fleet:
        service.launch()
    with ExitStack() as stack:
        for service in fleet:
            stack.enter_context(service)
        eventually(lambda: sum(len(each.log("service.warmed")) for each in fleet) == 6)
        assert amadeus.calls("token") == 1
        assert sum(len(service.log("token.fetched")) for service in fleet) == 1
        assert sum(len(service.log("token.shared")) for service in fleet) == 5


def test_redis_holds_no_token_that_could_be_used(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    with Service.on(amadeus, redis_url=redis_server.url):
        (key,) = redis_server.keys("*token*")
        held = redis_server.get(key)
        body = held.partition(b"\n")[2].decode()
        assert plain_http.get(f"{amadeus.url}/v1/security/oauth2/token/{body}").status_code == 404
        readable = key + held + base64.urlsafe_b64decode(body)
        assert b"access_token" not in readable
        assert b"the-client-id" not in readable


@pytest.mark.timeout(120)
def test_no_request_waits_for_a_token(redis_server: RedisServer, amadeus: SandboxServer) -> None:
    amadeus.settings(token_life=30)
    with Service.on(amadeus, redis_url=redis_server.url, web_concurrency=2) as service:
        # Where Redis is not reached in time each worker fetches a token of its own.
        eventually(lambda: len(service.log("token.fetched") + service.log("token.shared")) == 2)
        first = len(service.log("token.fetched"))
        service.price()  # the first search takes the sandbox a while
        amadeus.fault("token", "latency", 1500)
        with Load(service.url, per_second=20, routes=2000) as load:
            eventually(lambda: len(service.log("token.fetched")) == first + 2, within=90)
    assert load.failed() == []
    assert max(outcome.seconds for outcome in load.outcomes) < 1


def test_a_revoked_token_is_replaced_once_for_all(
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
        assert amadeus.calls("token") == 2
        assert one.log("token.rejected", code="38193")


def test_an_upstream_that_refuses_every_token_costs_two_token_calls(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    with Service.on(amadeus, redis_url=redis_server.url) as service:
        amadeus.fault("search", "status", "401:38192")
        replies = [ask_at_once([service.price_url(ahead)])[0] for ahead in range(1, 21)]
        assert {(reply.status, reply.body["code"]) for reply in replies} == {
            (502, "amadeus-misconfigured")
        }
        assert amadeus.calls("token") == 2


def test_a_token_of_another_secret_is_replaced(
    redis_server: RedisServer, amadeus: SandboxServer
) -> None:
    with Service.on(amadeus, redis_url=redis_server.url):
        pass
    with Service.on(
        amadeus, redis_url=redis_server.url, amadeus_client_secret="rotated"
    ) as service:
        assert service.price().status_code == 200
        assert amadeus.calls("token") == 2
