"""Puts a sandbox together; all wiring is in `create_app`."""

from typing import Any

import falcon

from sandbox.answer import Answer
from sandbox.config import SandboxConfig
from sandbox.errors import (
    SEARCH_TYPE,
    TOKEN_TYPE,
    AmadeusError,
    RefusedSearch,
    TokenError,
    errors_answer,
    token_error_answer,
)
from sandbox.faults.fault_book import FaultBook
from sandbox.faults.injector import SEARCH_PATH, TOKEN_PATH, Injector
from sandbox.http.admin import add_admin_routes
from sandbox.http.endpoints import SearchResource, TokenInfoResource, TokenResource
from sandbox.http.page import PageResource
from sandbox.offers.search_results import Offers
from sandbox.state.controls import Controls
from sandbox.state.counters import Counters
from sandbox.state.tokens import Tokens

_NOT_FOUND = 404


def create_app(config: SandboxConfig = SandboxConfig()) -> Injector:  # noqa: B008 - it is frozen
    """Make a sandbox: a WSGI application, ready at once; airports are read at the first search.

    Raises ValueError, with a sentence for people, if one of `config.faults` makes no sense.
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
    app.add_error_handler(AmadeusError, _refuse)
    app.add_error_handler(RefusedSearch, _refuse_search)
    app.add_error_handler(TokenError, _refuse_token)
    app.add_error_handler(falcon.HTTPError, _refuse_http)
    if config.admin:
        add_admin_routes(app, controls, counters, faults, tokens)
    return Injector(app, counters, faults, controls.delay)


def _refuse(req: falcon.Request, resp: falcon.Response, error: Exception, _: Any) -> None:
    assert isinstance(error, AmadeusError)
    _send(resp, errors_answer(error, content_type=_type_for(req)))


def _refuse_search(_: falcon.Request, resp: falcon.Response, error: Exception, __: Any) -> None:
    assert isinstance(error, RefusedSearch)
    _send(resp, errors_answer(*error.errors))


def _refuse_token(_: falcon.Request, resp: falcon.Response, error: Exception, __: Any) -> None:
    assert isinstance(error, TokenError)
    _send(resp, token_error_answer(error))


def _refuse_http(req: falcon.Request, resp: falcon.Response, error: Exception, _: Any) -> None:
    """What Falcon itself refuses: an unknown path or method gets the gateway's 38196."""
    assert isinstance(error, falcon.HTTPError)
    resp.set_headers(error.headers or {})
    status = error.status_code
    unknown = status == _NOT_FOUND
    refusal = AmadeusError(
        38196 if unknown else 477, None if unknown else error.title, status=status
    )
    _send(resp, errors_answer(refusal, content_type=_type_for(req)))


def _type_for(req: falcon.Request) -> str:
    return SEARCH_TYPE if req.path == SEARCH_PATH else TOKEN_TYPE


def _send(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.content_type = answer.headers["Content-Type"]
    resp.data = answer.body
