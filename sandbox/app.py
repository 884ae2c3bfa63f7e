"""The composition root of the sandbox."""

from typing import Any

import falcon

from sandbox.answer import Answer
from sandbox.config import SandboxConfig
from sandbox.errors import (
    SEARCH_TYPE,
    TOKEN_TYPE,
    AmadeusError,
    InvalidSearch,
    TokenError,
    errors_answer,
    token_error_answer,
)
from sandbox.faults.fault_book import FaultBook
from sandbox.faults.injector import SEARCH_PATH, TOKEN_PATH, Injector
from sandbox.faults.magic_routes import MagicRoutes
from sandbox.http.admin import add_admin_routes
from sandbox.http.endpoints import SearchResource, TokenInfoResource, TokenResource
from sandbox.http.page import PageResource
from sandbox.offers.search_results import Offers
from sandbox.state.controls import Controls
from sandbox.state.counters import Counters
from sandbox.state.tokens import Tokens

_NOT_FOUND = 404


def create_app(config: SandboxConfig = SandboxConfig()) -> Injector:  # noqa: B008 - it is frozen
    """Create a sandbox: a WSGI application. It loads the airports at the first search.

    Raises ValueError with a message for the user if one of `config.faults` is invalid.
    """
    counters = Counters()
    controls = Controls(config)
    faults = FaultBook(config.faults)
    tokens = Tokens(config.seed, config.clock)

    app: falcon.App[Any, Any] = falcon.App()
    app.req_options.auto_parse_form_urlencoded = False
    app.add_route("/", PageResource(config.clock, admin=config.admin))
    app.add_route(TOKEN_PATH, TokenResource(tokens, controls))
    app.add_route(TOKEN_PATH + "/{access_token}", TokenInfoResource(tokens, controls))
    app.add_route(SEARCH_PATH, SearchResource(tokens, controls, Offers(config.seed, config.clock)))
    app.add_error_handler(AmadeusError, _handle_amadeus_error)
    app.add_error_handler(InvalidSearch, _handle_invalid_search)
    app.add_error_handler(TokenError, _handle_token_error)
    app.add_error_handler(falcon.HTTPError, _handle_http_error)
    if config.admin:
        add_admin_routes(app, controls, counters, faults, tokens)
    magic = MagicRoutes(tokens, config.clock)
    return Injector(app, counters, faults, magic, controls.delay)


def _handle_amadeus_error(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    assert isinstance(error, AmadeusError)
    _send(resp, errors_answer(error, content_type=_type_for(req)))


def _handle_invalid_search(
    _: falcon.Request, resp: falcon.Response, error: Exception, __: Any
) -> None:
    assert isinstance(error, InvalidSearch)
    _send(resp, errors_answer(*error.errors))


def _handle_token_error(
    _: falcon.Request, resp: falcon.Response, error: Exception, __: Any
) -> None:
    assert isinstance(error, TokenError)
    _send(resp, token_error_answer(error))


def _handle_http_error(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    """Answer what Falcon itself rejects: 38196 for an unknown path, otherwise 477."""
    assert isinstance(error, falcon.HTTPError)
    resp.set_headers(error.headers or {})
    status = error.status_code
    unknown = status == _NOT_FOUND
    amadeus_error = AmadeusError(
        38196 if unknown else 477, None if unknown else error.title, status=status
    )
    _send(resp, errors_answer(amadeus_error, content_type=_type_for(req)))


def _type_for(req: falcon.Request) -> str:
    return SEARCH_TYPE if req.path == SEARCH_PATH else TOKEN_TYPE


def _send(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.content_type = answer.headers["Content-Type"]
    resp.data = answer.body
