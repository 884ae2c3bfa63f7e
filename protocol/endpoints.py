"""The token and search endpoints."""

from typing import Any
from urllib.parse import parse_qs

import falcon
import orjson

from protocol.errors import SEARCH_TYPE, TOKEN_TYPE, AmadeusError, TokenError
from protocol.reference.airports import Airports
from protocol.request.get_query import search_from_query
from protocol.request.post_search import search_from_body
from protocol.roles import Found, OfferSource, Operator
from protocol.tokens import Token, Tokens

TOKEN_PATH = "/v1/security/oauth2/token"  # noqa: S105 - a path
SEARCH_PATH = "/v2/shopping/flight-offers"

_MAX_CLIENT_ID = 200
# Twice what the longest search takes. A longer body is cut off, so it is no longer valid JSON.
MAX_BODY = 65_536


class TokenResource:
    """`POST /v1/security/oauth2/token`."""

    def __init__(self, tokens: Tokens, operator: Operator) -> None:
        self._tokens = tokens
        self._operator = operator

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Issue a token for credentials that the operator accepts."""
        form = _form(req)
        if form.get("grant_type") != "client_credentials":
            raise TokenError(
                "unsupported_grant_type",
                "Only client_credentials value is allowed for the body parameter grant_type",
                status=400,
            )
        client_id = form.get("client_id", "")
        if not self._operator.accepts(client_id, form.get("client_secret", "")):
            raise TokenError("invalid_client", "Client credentials are invalid", status=401)
        text = self._tokens.issue(client_id[:_MAX_CLIENT_ID], self._operator.token_life)
        token = self._tokens.read(text)
        assert token is not None  # noqa: S101 - it has just been issued
        _send(resp, _token_info(self._operator, text, token, token.life, "approved"), TOKEN_TYPE)


class TokenInfoResource:
    """`GET /v1/security/oauth2/token/{access_token}`."""

    def __init__(self, tokens: Tokens, operator: Operator) -> None:
        self._tokens = tokens
        self._operator = operator

    def on_get(self, _: falcon.Request, resp: falcon.Response, access_token: str) -> None:
        """Describe a token, even an expired one; 404 for an unknown one."""
        token = self._tokens.read(access_token)
        if token is None:
            raise TokenError(
                "invalid_request", "The access token is unknown", status=404, code=38190
            )
        seconds = token.seconds_left(self._operator.now())
        state = self._tokens.state(token)
        _send(resp, _token_info(self._operator, access_token, token, seconds, state), TOKEN_TYPE)


class SearchResource:
    """`GET` and `POST /v2/shopping/flight-offers`."""

    def __init__(
        self, tokens: Tokens, operator: Operator, airports: Airports, offers: OfferSource
    ) -> None:
        self._tokens = tokens
        self._operator = operator
        self._airports = airports
        self._offers = offers

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search by query parameters."""
        self._admit(req)
        search = search_from_query(req.query_string, self._operator.now(), self._airports)
        _send_found(resp, self._offers.find(search), links={"self": req.url})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search by a JSON body."""
        self._admit(req)
        if (req.get_header("X-HTTP-Method-Override") or "GET").upper() != "GET":
            raise AmadeusError(477, "GET, or left out", parameter="X-HTTP-Method-Override")
        search = search_from_body(_body(req), self._operator.now(), self._airports)
        _send_found(resp, self._offers.find(search))

    def _admit(self, req: falcon.Request) -> None:
        token = self._tokens.check(_bearer(req))
        self._operator.admit(token.client_id)


def _token_info(
    operator: Operator, text: str, token: Token, expires_in: int, state: str
) -> dict[str, Any]:
    """Return the body that both token URLs answer with; `expires_in` is in seconds."""
    return {
        "type": "amadeusOAuth2Token",
        "username": f"{operator.name}@example.com",
        "application_name": operator.name,
        "client_id": token.client_id,
        "token_type": "Bearer",
        "access_token": text,
        "expires_in": expires_in,
        "state": state,
        "scope": "",
    }


def _body(req: falcon.Request) -> bytes:
    """Read the body. The Node SDK sends its bodies chunked, without a length."""
    chunked = req.content_length is None and req.env.get("wsgi.input_terminated")
    try:
        body: bytes = (req.stream if chunked else req.bounded_stream).read(MAX_BODY)
    except OSError:  # it ends early, or its chunks are malformed
        raise AmadeusError(477, "the body cannot be read") from None
    return body


def _form(req: falcon.Request) -> dict[str, str]:
    fields = parse_qs(_body(req).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _bearer(req: falcon.Request) -> str:
    scheme, _, token = (req.auth or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AmadeusError(38191)
    return token.strip()


def _send_found(resp: falcon.Response, found: Found, **meta: Any) -> None:
    body = {"meta": {"count": len(found.offers), **meta}, "data": found.offers}
    if found.offers:
        body["dictionaries"] = found.dictionaries
    _send(resp, body, SEARCH_TYPE)


def _send(resp: falcon.Response, content: dict[str, Any], content_type: str) -> None:
    resp.content_type = content_type
    resp.data = orjson.dumps(content)
