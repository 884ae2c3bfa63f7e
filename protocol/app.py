"""Makes the WSGI application of a server from its operator and its source of offers."""

import traceback
from typing import Any

import falcon

from protocol.endpoints import (
    SEARCH_PATH,
    TOKEN_PATH,
    SearchResource,
    TokenInfoResource,
    TokenResource,
)
from protocol.errors import (
    SEARCH_TYPE,
    TOKEN_TYPE,
    AmadeusError,
    InvalidSearch,
    TokenError,
    errors_body,
)
from protocol.reference.airports import Airports
from protocol.roles import OfferSource, Operator
from protocol.tokens import Tokens

_NOT_FOUND = 404


def create_app(
    operator: Operator, tokens: Tokens, airports: Airports, offers: OfferSource
) -> "falcon.App[Any, Any]":
    """Return the application with the token and search endpoints. Add more routes to it."""
    app: falcon.App[Any, Any] = falcon.App()
    app.req_options.auto_parse_form_urlencoded = False
    app.add_route(TOKEN_PATH, TokenResource(tokens, operator))
    app.add_route(TOKEN_PATH + "/{access_token}", TokenInfoResource(tokens, operator))
    app.add_route(SEARCH_PATH, SearchResource(tokens, operator, airports, offers))
    app.add_error_handler(AmadeusError, _handle_amadeus_error)
    app.add_error_handler(InvalidSearch, _handle_invalid_search)
    app.add_error_handler(TokenError, _handle_token_error)
    app.add_error_handler(falcon.HTTPError, _handle_http_error)
    app.add_error_handler(Exception, _handle_bug)
    return app


def _handle_amadeus_error(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    assert isinstance(error, AmadeusError)
    _send_errors(req, resp, error)


def _handle_invalid_search(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    assert isinstance(error, InvalidSearch)
    _send_errors(req, resp, *error.errors)


def _handle_token_error(
    _: falcon.Request, resp: falcon.Response, error: Exception, __: Any
) -> None:
    assert isinstance(error, TokenError)
    resp.status = error.status
    resp.content_type = TOKEN_TYPE
    resp.data = error.as_json()


def _handle_http_error(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    """Answer what Falcon itself rejects: 38196 for an unknown path, otherwise 477."""
    assert isinstance(error, falcon.HTTPError)
    resp.set_headers(error.headers or {})
    status = error.status_code
    unknown = status == _NOT_FOUND
    detail = None if unknown else error.title
    _send_errors(req, resp, AmadeusError(38196 if unknown else 477, detail, status=status))


def _handle_bug(req: falcon.Request, resp: falcon.Response, error: Exception, _: Any) -> None:
    """Log where it happened, without the message: it may show what a client or provider sent."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    req.log_error(f"{type(error).__name__}\n{trace}")
    _send_errors(req, resp, AmadeusError(141))


def _send_errors(req: falcon.Request, resp: falcon.Response, *errors: AmadeusError) -> None:
    resp.status = errors[0].status
    resp.content_type = SEARCH_TYPE if req.path == SEARCH_PATH else TOKEN_TYPE
    resp.data = errors_body(*errors)
    if errors[0].retry_after is not None:
        resp.set_header("Retry-After", str(errors[0].retry_after))
