"""WSGI middleware that counts requests, delays answers and injects faults.

The application first answers a token or search request correctly; then the fault changes the
complete answer. All other requests (the page, the admin URLs) pass unchanged.
"""

import io
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

import orjson

from protocol.endpoints import MAX_BODY, SEARCH_PATH, TOKEN_PATH
from sandbox.answer import Answer, Application, Environ, StartResponse
from sandbox.config import Latency
from sandbox.documented import Leg
from sandbox.faults.content import BODY_FAULTS, OFFER_FAULTS, TOKEN_FAULTS, base_answer
from sandbox.faults.fault_book import Fault, FaultBook, Route
from sandbox.faults.kinds import LATENCY
from sandbox.faults.magic_routes import MagicRoutes
from sandbox.faults.wire import CUT_FAULTS, WIRE_FAULTS, WIRE_KEY, NoWire, Wire
from sandbox.state.counters import Counters

_CONTENT_FAULTS = {**BODY_FAULTS, **OFFER_FAULTS, **TOKEN_FAULTS}
_ERRORS_FROM = 400


class Injector:
    """A WSGI application that wraps another one."""

    def __init__(
        self,
        application: Application,
        counters: Counters,
        faults: FaultBook,
        magic: MagicRoutes,
        delay: Callable[[], float],
    ) -> None:
        self.counters = counters
        self._application = application
        self._faults = faults
        self._magic = magic
        self._delay = delay

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        keep_body(environ)
        # The router ignores repeated slashes, but the comparison of paths here does not.
        environ["PATH_INFO"] = "/" + environ["PATH_INFO"].lstrip("/")
        leg = leg_of(environ["PATH_INFO"])
        if leg is None:
            return self._application(environ, start_response)
        wire: Wire = environ.get(WIRE_KEY) or NoWire()
        wire.used()
        route = route_of(environ) if leg == "search" else None
        self.counters.started(leg, str(route) if route else None)
        try:
            return self._answer(leg, route, wire, environ, start_response)
        finally:
            self.counters.finished()

    def _answer(
        self,
        leg: Leg,
        route: Route | None,
        wire: Wire,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        seconds = self._delay()
        magic = self._magic.prepare(route, environ)
        fault = None if magic else self._faults.take(leg, route)
        if fault is not None and fault.name == LATENCY:
            seconds += Latency.parse(fault.arg).seconds()
        if seconds:
            time.sleep(seconds)
        answer = Answer.of(self._application, environ)
        if magic is not None and answer.ok:
            fault = self._magic.fault_of(magic, environ)
        if fault is not None:
            answer = _change_content(fault, answer)
        if answer.status >= _ERRORS_FROM:
            self.counters.refused(leg, error_codes(answer.body))
        play = WIRE_FAULTS.get(fault.name) if fault is not None else None
        if play is None or fault is None:
            return answer.as_wsgi(start_response)
        play(wire, answer, None if fault.name in CUT_FAULTS else fault.arg)
        return []


def _change_content(fault: Fault, answer: Answer) -> Answer:
    if fault.name in CUT_FAULTS:
        return base_answer(fault.leg, answer, fault.arg)
    change = _CONTENT_FAULTS.get(fault.name)
    return answer if change is None else change(fault.leg, answer, fault.arg)


def leg_of(path: str) -> Leg | None:
    """Return the endpoint that a path belongs to, or None."""
    if path == SEARCH_PATH:
        return "search"
    return "token" if path == TOKEN_PATH or path.startswith(TOKEN_PATH + "/") else None


def route_of(environ: Environ) -> Route:
    """Return the route of a search. The body of a POST can be read again afterwards."""
    if environ["REQUEST_METHOD"] == "POST":
        return _route_of_post(environ)
    query = parse_qs(environ.get("QUERY_STRING", ""))
    names = ("originLocationCode", "destinationLocationCode", "departureDate")
    return Route(*(query.get(name, [None])[0] for name in names))


def _route_of_post(environ: Environ) -> Route:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    try:
        first = orjson.loads(body)["originDestinations"][0]
        date = first.get("departureDateTimeRange", {}).get("date")
        route = (first.get("originLocationCode"), first.get("destinationLocationCode"), date)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Route()
    return Route(*(part if isinstance(part, str) else None for part in route))


def keep_body(environ: Environ) -> None:
    """Read the body into memory, so that it has a length and can be read twice.

    The Node SDK sends its bodies chunked, without a length.
    """
    stated = environ.get("CONTENT_LENGTH")
    if stated:
        length = min(int(stated), MAX_BODY) if stated.isdigit() else 0
    else:
        length = MAX_BODY if environ.get("wsgi.input_terminated") else 0
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def error_codes(body: bytes) -> list[str]:
    """Return the codes in the body of an error, in either format."""
    try:
        content = orjson.loads(body)
        if "code" in content:
            return [str(content["code"])]
        return [str(item["code"]) for item in content["errors"]]
    except (ValueError, LookupError, TypeError):
        return []
