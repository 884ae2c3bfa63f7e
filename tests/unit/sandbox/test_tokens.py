"""Tokens are issued, verified, expire and can be revoked."""

import pytest

from protocol.errors import AmadeusError
from protocol.tokens import Tokens
from tests.support.clients.sandbox_client import Clock, InProcess, refusals


def test_any_credentials_get_a_token(sandbox: InProcess) -> None:
    token = sandbox.ask_token(client_id="anyone", client_secret="anything").json()
    assert token["type"] == "amadeusOAuth2Token"
    assert token["token_type"] == "Bearer"
    assert (token["client_id"], token["expires_in"]) == ("anyone", 1799)
    assert token["state"] == "approved"


@pytest.mark.parametrize("form", [{"client_id": ""}, {"client_secret": ""}])
def test_empty_credentials_get_no_token(sandbox: InProcess, form: dict[str, str]) -> None:
    answer = sandbox.ask_token(**form)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "Client credentials are invalid",
        "code": 38187,
        "title": "Invalid parameters",
    }


@pytest.mark.parametrize(
    "form",
    [{"client_id": "other"}, {"client_secret": "other"}, {"client_id": "ü", "client_secret": "ü"}],
)
def test_configured_credentials_are_the_only_accepted_ones(form: dict[str, str]) -> None:
    sandbox = InProcess(client_id="me", client_secret="secret")
    assert sandbox.ask_token().status_code == 200
    refused = sandbox.ask_token(**form)
    assert (refused.status_code, refused.json()["code"]) == (401, 38187)


def test_configured_credentials_may_be_long() -> None:
    client, secret = "i" * 300, "s" * 300
    sandbox = InProcess(client_id=client, client_secret=secret)
    assert sandbox.ask_token(client_id=client, client_secret=secret).status_code == 200


@pytest.mark.parametrize("grant", ["", "password"])
def test_other_grant_types_are_refused(sandbox: InProcess, grant: str) -> None:
    answer = sandbox.ask_token(grant_type=grant)
    assert answer.status_code == 400
    assert answer.json()["error"] == "unsupported_grant_type"
    assert answer.json()["code"] == 38187


def test_additional_fields_of_a_token_request_are_accepted(sandbox: InProcess) -> None:
    assert sandbox.ask_token(guest_office_id="NCE1A0955").status_code == 200


def test_token_is_valid_in_another_process_with_the_same_seed(sandbox: InProcess) -> None:
    assert InProcess().get({}, sandbox.token).status_code == 400
    assert InProcess(seed="other").get({}, sandbox.token).status_code == 401


def test_token_expires_after_its_lifetime(sandbox: InProcess) -> None:
    sandbox.search(max=1)
    sandbox.clock.now += 1798
    assert sandbox.search(max=1).status_code == 200
    sandbox.clock.now += 1
    assert refusals(sandbox.search()) == [(38192, "")]


def test_token_lifetime_can_be_set() -> None:
    sandbox = InProcess(token_life=60)
    assert sandbox.ask_token().json()["expires_in"] == 60


@pytest.mark.parametrize("text", ["", "ü", "A", "====", "a b"])
def test_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(AmadeusError, match="38190"):
        Tokens("seed", Clock()).check(text)


def test_tampered_token_is_refused(sandbox: InProcess) -> None:
    last = "A" if sandbox.token[-1] != "A" else "Q"
    for bad in (sandbox.token[:-1] + last, sandbox.token + "AAAA", "x" * 5000):
        answer = sandbox.http.get(
            "/v2/shopping/flight-offers", headers={"Authorization": f"Bearer {bad}"}
        )
        assert refusals(answer) == [(38190, "")]


@pytest.mark.parametrize("code", [38190, 38192, 38193])
def test_revoked_tokens_are_refused_with_the_given_code(sandbox: InProcess, code: int) -> None:
    old = sandbox.token
    sandbox.http.post("/admin/tokens/revoke", json={"code": code})
    new = sandbox.ask_token().json()["access_token"]
    assert refusals(sandbox.get({}, old)) == [(code, "")]
    assert sandbox.get({}, new).status_code == 400


def test_token_can_be_inspected() -> None:
    clock = Clock()
    sandbox = InProcess(clock)
    path = f"/v1/security/oauth2/token/{sandbox.token}"
    clock.now += 100
    assert sandbox.http.get(path).json()["expires_in"] == 1699
    clock.now += 1699
    expired = sandbox.http.get(path).json()
    assert (expired["state"], expired["expires_in"]) == ("expired", 0)
