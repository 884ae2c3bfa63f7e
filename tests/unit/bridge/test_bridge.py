"""The bridge speaks the protocol of Amadeus to its clients."""

import httpx2
import pytest

import bridge.app
from bridge.duffel import Duffel
from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import AmadeusClient, refusals
from tests.support.providers import duffel


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
