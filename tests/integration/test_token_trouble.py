"""What comes instead of a token costs Amadeus few calls, and no start."""

import time

import pytest

from tests.crowd import ask_at_once
from tests.load import Load
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service


@pytest.mark.parametrize(("fault", "arg"), [("status", 401), ("status", 500), ("html", None)])
def test_a_failing_token_endpoint_is_left_alone_with_growing_pauses(
    redis_server: RedisServer, sandbox: SandboxServer, fault: str, arg: int | None
) -> None:
    sandbox.fault("token", fault, arg)
    settings = {"redis_url": redis_server.url, "web_concurrency": 2}
    with Service.on(sandbox, **settings) as one, Service.on(sandbox, **settings) as other:
        with Load(one.url, per_second=20) as load, Load(other.url, per_second=20) as more:
            eventually(lambda: len(load.outcomes) > 8 * 20)  # and so for eight seconds
        assert {outcome.status for outcome in load.outcomes + more.outcomes} <= {502, 503}
        # At 0, 1, 3 and 7 seconds.
        assert 2 <= sandbox.calls("token") <= 5
        assert one.log("token.failed") + other.log("token.failed")


@pytest.mark.parametrize(
    "oddity", ["no_expires_in", "null_expires_in", "string_expires_in", "tiny_expires_in"]
)
def test_an_odd_token_reply_causes_no_storm(sandbox: SandboxServer, oddity: str) -> None:
    sandbox.fault("token", oddity)
    with Service.on(sandbox) as service:
        replies = [ask_at_once([service.price_url(ahead)])[0] for ahead in range(1, 21)]
        assert {reply.status for reply in replies} == {200}
        assert sandbox.calls("token") == 1


@pytest.mark.parametrize("oddity", ["no_access_token", "newline_token", "null", "list", "204"])
def test_a_reply_without_a_token_is_a_bad_answer_and_no_storm(
    sandbox: SandboxServer, oddity: str
) -> None:
    sandbox.fault("token", oddity)
    with Service.on(sandbox) as service:
        replies = [ask_at_once([service.price_url(ahead)])[0] for ahead in range(1, 21)]
        assert {(reply.status, reply.body["code"]) for reply in replies} == {
            (502, "amadeus-bad-answer")
        }
        assert sandbox.calls("token") <= 4


def test_a_hanging_token_endpoint_delays_no_start(sandbox: SandboxServer) -> None:
    sandbox.fault("token", "hang")
    started = time.monotonic()
    with Service.on(sandbox).just_launched() as service:
        eventually(lambda: ask_at_once([f"{service.url}/flights/ping"])[0].status == 200)
        assert time.monotonic() - started < 3
        reply = ask_at_once([service.price_url()])[0]
        assert reply.body["code"] == "amadeus-timeout"
        assert reply.seconds < 7
