"""The bridge speaks the protocol of Amadeus to its clients."""

import io

import falcon.testing
import httpx2
import orjson
import pytest

import bridge.app
from bridge.duffel import Duffel
from bridge.ignav import Ignav
from protocol.request.search import Search
from protocol.roles import Found
from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import TOKEN, AmadeusClient, body, refusals
from tests.support.providers import duffel
from tests.support.servers.service import some_day

WORDS = "words of a provider"


class Buggy:
    """A source of offers with a bug, whose message shows what a provider sent."""

    def find(self, _: Search) -> Found:
        raise KeyError(WORDS)


class CutOff(io.BytesIO):
    """A body that ends before its length, as the server reports it."""

    def read(self, _: int | None = -1) -> bytes:
        raise OSError


def guarded(client_id: str, client_secret: str) -> AmadeusClient:
    source = Duffel(duffel.TOKEN, duffel.Duffel().connections)
    app = bridge.app.create_app(source, "s", client_id=client_id, client_secret=client_secret)
    return AmadeusClient(app, "http://bridge")


def test_token_names_the_bridge() -> None:
    token = Bridge().ask_token().json()
    assert token["application_name"] == "bridge"
    assert token["expires_in"] == 1799


@pytest.mark.parametrize("wrong", [{"client_id": "other"}, {"client_secret": "ö"}])
def test_other_credentials_than_the_configured_ones_get_no_token(wrong: dict[str, str]) -> None:
    client = guarded(client_id="me", client_secret="secret")
    assert client.ask_token().status_code == 200
    assert client.ask_token(**wrong).json()["code"] == 38187


def test_search_without_a_token_reaches_no_provider() -> None:
    bridge_ = Bridge()
    answer: httpx2.Response = bridge_.get({}, token="none-of-ours")
    assert refusals(answer) == [(38190, "")]
    assert bridge_.duffel.searches == []


def test_tokens_of_processes_with_the_same_secret_are_accepted() -> None:
    one, other = Bridge(), Bridge()
    assert other.get({}, token=one.token).status_code == 400


def test_bug_is_answered_as_a_system_error_and_logged_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = AmadeusClient(bridge.app.create_app(Buggy(), "s"), "http://bridge")
    answer = client.search(departureDate=some_day())
    assert (answer.status_code, refusals(answer)) == (500, [(141, "")])
    logged = capsys.readouterr().err
    assert "KeyError" in logged
    assert "in find" in logged
    assert WORDS not in logged


def test_body_that_is_longer_than_any_search_is_refused() -> None:
    bridge_ = Bridge(duffel.offer())
    text = orjson.dumps(body()).decode()
    assert bridge_.post(text + " " * (65_536 - len(text))).status_code == 200
    assert refusals(bridge_.post(" " * (65_537 - len(text)) + text)) == [(477, "")]


@pytest.mark.parametrize("source", [Duffel, Ignav])
def test_bug_during_a_call_is_logged_without_the_key(
    source: type[Duffel | Ignav], capfd: pytest.CaptureFixture[str]
) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise RuntimeError(str(request.headers.raw))

    app = bridge.app.create_app(source(duffel.TOKEN, httpx2.MockTransport(handle)), "s")
    answer = AmadeusClient(app, "http://bridge").search(departureDate=some_day())
    assert refusals(answer) == [(141, "")]
    logged = capfd.readouterr().err
    assert "RuntimeError" in logged
    assert duffel.TOKEN not in logged


def test_body_that_is_cut_off_is_refused_and_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = falcon.testing.TestClient(bridge.app.create_app(Buggy(), "s"))
    answer = client.simulate_post(
        TOKEN, headers={"Content-Length": "9"}, extras={"wsgi.input": CutOff()}
    )
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (400, 477)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9091", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:9091", 200),
        ("[::1]:9091", 200),
        ("[::1]", 200),
        ("evil.example:9091", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example@localhost", 403),
        ("", 403),
    ],
)
def test_name_that_is_not_of_this_machine_is_refused(host: str, status: int) -> None:
    app = bridge.app.create_app(Buggy(), "s")
    app.add_middleware(bridge.app.LoopbackNames())
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "x"}
    answer = AmadeusClient(app, "http://bridge").http.post(TOKEN, data=form, headers={"Host": host})
    assert answer.status_code == status
    assert (status == 200) or refusals(answer) == [(38197, "")]
