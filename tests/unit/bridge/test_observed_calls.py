"""What an operator learns about each call to a provider: never its words, and never the key."""

import errno
import socket
import ssl
from collections.abc import Callable

import gevent
import httpx2
import pytest

import bridge.app
from bridge.client import Call
from bridge.duffel import Duffel
from bridge.ignav import Ignav
from tests.support.clients.sandbox_client import AmadeusClient, Clock
from tests.support.providers.duffel import errors
from tests.support.providers.ignav import error

KEY = "duffel_test_key"

Handler = Callable[[httpx2.Request], httpx2.Response]


def observed(
    handle: Handler, source: Callable[..., Duffel | Ignav] = Ignav, seconds: float = 20.0
) -> list[Call]:
    """The calls of one search, to a provider that answers like this."""
    calls: list[Call] = []
    offers = source(KEY, httpx2.MockTransport(handle), seconds=seconds, observe=calls.append)
    app = bridge.app.create_app(offers, "s", clock=Clock())
    AmadeusClient(app, "http://bridge").search(destinationLocationCode="LAX")
    assert KEY not in f"{calls}"
    return calls


def answering(status: int, body: object) -> Handler:
    def handle(_: httpx2.Request) -> httpx2.Response:
        content = {"text": body} if isinstance(body, str) else {"json": body}
        answer = httpx2.Response(status, **content)
        return httpx2.Response(status, stream=httpx2.ByteStream(answer.content))

    return handle


def failing(cause: BaseException) -> Handler:
    def handle(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(KEY) from cause

    return handle


def silent(_: httpx2.Request) -> httpx2.Response:
    gevent.sleep(30)
    raise AssertionError


@pytest.mark.parametrize(
    ("cause", "failure"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, KEY), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, KEY), "connection reset by peer"),
        (socket.gaierror(socket.EAI_NONAME, KEY), "the name of the server is unknown"),
        (ssl.SSLError(1, KEY), "no TLS (None)"),
        (ValueError(KEY), "it broke"),
    ],
)
def test_failed_connection_is_named(cause: BaseException, failure: str) -> None:
    (call,) = observed(failing(cause))

    assert (call.name, call.status) == ("POST /api/fares/one-way", None)
    assert call.failure == f"the connection failed: {failure}"


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (200, "<html>words</html>", "the answer is not a JSON object"),
        (200, {}, "the answer has no list of itineraries"),
        (200, {"itineraries": [{}]}, "no offer can be read"),
        (302, "", "the answer is a redirect"),
        (404, "<html>words</html>", "the answer is an error"),
        (500, {"error": "words"}, "the answer is an error"),
    ],
)
def test_answer_that_cannot_be_used_is_named_with_its_status(
    status: int, body: object, failure: str
) -> None:
    (call,) = observed(answering(status, body))

    assert (call.status, call.failure, call.error) == (status, failure, "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (error("auth_error", "invalid_api_key"), "auth_error invalid_api_key"),
        (error("auth_error", "Free words"), "auth_error"),
        (error("auth_error", KEY), "auth_error"),
        (error("auth_error", f"no_{KEY}"), "auth_error"),
        (error("auth_error", KEY[:9]), "auth_error"),
        (error("a" * 200, "<script>"), ""),
        ({"error": {"type": ["auth_error"], "code": 7}}, ""),
    ],
)
def test_error_of_the_provider_is_shown_if_it_is_a_name_and_no_key(
    body: object, error: str
) -> None:
    (call,) = observed(answering(401, body))

    assert (call.status, call.failure, call.error) == (401, "the answer is an error", error)


def test_error_of_duffel_in_an_answer_200_is_shown() -> None:
    (call,) = observed(answering(200, errors(429, "rate_limit_error")), Duffel)

    assert (call.name, call.status) == ("POST /air/offer_requests", 200)
    assert call.error.startswith("rate_limit_error")


def test_refused_place_is_no_failure() -> None:
    body = error("invalid_request", "unknown_airport", field="origin")
    (call,) = observed(answering(400, body))

    assert (call.status, call.failure) == (400, "")
    assert call.error == "invalid_request unknown_airport"


def test_silent_provider_is_named_with_the_time_that_it_had() -> None:
    (call,) = observed(silent, seconds=0.05)

    assert (call.status, call.failure[:13]) == (None, "no answer in ")
    assert 0.04 < call.seconds < 5


@pytest.mark.parametrize("source", [Duffel, Ignav])
def test_call_that_ends_with_its_caller_is_observed(
    source: Callable[..., Duffel | Ignav],
) -> None:
    calls: list[Call] = []
    offers = source(KEY, httpx2.MockTransport(silent), observe=calls.append)
    client = AmadeusClient(bridge.app.create_app(offers, "s", clock=Clock()), "http://bridge")
    assert client.token
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        client.search()

    assert [call.failure for call in calls] == ["no answer when the search ended"]
