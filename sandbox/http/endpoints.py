"""The token and search endpoints."""

from typing import Any
from urllib.parse import parse_qs

import falcon

from sandbox.answer import json_bytes
from sandbox.errors import SEARCH_TYPE, TOKEN_TYPE, AmadeusError, TokenError
from sandbox.offers.search_results import Offers
from sandbox.request.get_query import search_from_query
from sandbox.request.post_search import search_from_body
from sandbox.state.controls import Controls
from sandbox.state.tokens import Token, Tokens

_MAX_CLIENT_ID = 200


class TokenResource:
    """`POST /v1/security/oauth2/token`."""

    def __init__(self, tokens: Tokens, controls: Controls) -> None:
        self._tokens = tokens
        self._controls = controls

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Issue a token for the configured credentials, or by default for any non-empty ones."""
        form = _form(req)
        if form.get("grant_type") != "client_credentials":
            raise TokenError(
                "unsupported_grant_type",
                "Only client_credentials value is allowed for the body parameter grant_type",
                status=400,
            )
        client_id = form.get("client_id", "")
        if not self._controls.accepts(client_id, form.get("client_secret", "")):
            raise TokenError("invalid_client", "Client credentials are invalid", status=401)
        text = self._tokens.issue(client_id[:_MAX_CLIENT_ID], self._controls.token_life)
        token = self._tokens.read(text)
        assert token is not None  # noqa: S101 - it has just been issued
        _send(resp, token_info(text, token, token.life, "approved"), TOKEN_TYPE)


class TokenInfoResource:
    """`GET /v1/security/oauth2/token/{access_token}`."""

    def __init__(self, tokens: Tokens, controls: Controls) -> None:
        self._tokens = tokens
        self._controls = controls

    def on_get(self, _: falcon.Request, resp: falcon.Response, access_token: str) -> None:
        """Describe a token, even an expired one; 404 for an unknown one."""
        token = self._tokens.read(access_token)
        if token is None:
            raise TokenError(
                "invalid_request", "The access token is unknown", status=404, code=38190
            )
        seconds = token.seconds_left(self._controls.now())
        state = self._tokens.state(token)
        _send(resp, token_info(access_token, token, seconds, state), TOKEN_TYPE)


class SearchResource:
    """`GET` and `POST /v2/shopping/flight-offers`."""

    def __init__(self, tokens: Tokens, controls: Controls, offers: Offers) -> None:
        self._tokens = tokens
        self._controls = controls
        self._offers = offers

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search by query parameters."""
        self._admit(req)
        search = search_from_query(req.query_string, self._controls.now(), self._offers.airports)
        found = self._offers.find(search)
        found["meta"]["links"] = {"self": req.url}
        _send(resp, found, SEARCH_TYPE)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search by a JSON body."""
        self._admit(req)
        if (req.get_header("X-HTTP-Method-Override") or "GET").upper() != "GET":
            raise AmadeusError(477, "GET, or left out", parameter="X-HTTP-Method-Override")
        body = req.bounded_stream.read()
        search = search_from_body(body, self._controls.now(), self._offers.airports)
        _send(resp, self._offers.find(search), SEARCH_TYPE)

    def _admit(self, req: falcon.Request) -> None:
        token = self._tokens.check(_bearer(req))
        self._controls.limits.admit(token.client_id)


def token_info(text: str, token: Token, expires_in: int, state: str) -> dict[str, Any]:
    """Return the body that both token URLs answer with; `expires_in` is in seconds."""
    return {
        "type": "amadeusOAuth2Token",
        "username": "sandbox@example.com",
        "application_name": "sandbox",
        "client_id": token.client_id,
        "token_type": "Bearer",
        "access_token": text,
        "expires_in": expires_in,
        "state": state,
        "scope": "",
    }


def _form(req: falcon.Request) -> dict[str, str]:
    body = req.bounded_stream.read().decode("utf-8", "replace")
    fields = parse_qs(body)
    return {name: values[0] for name, values in fields.items()}


def _bearer(req: falcon.Request) -> str:
    scheme, _, token = (req.auth or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AmadeusError(38191)
    return token.strip()


def _send(resp: falcon.Response, content: dict[str, Any], content_type: str) -> None:
    resp.content_type = content_type
    resp.data = json_bytes(content)
