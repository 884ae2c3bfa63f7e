"""The layer around the honest application: it counts, delays, and plays the faults.

It works on whole answers: a request of one of the two legs is answered honestly first, then the
answer is spoiled as the fault says. All other requests (the page, the admin URLs) pass untouched.
"""

import io
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

import orjson

from sandbox.answer import Answer, Application, Environ, StartResponse
from sandbox.config import Latency
from sandbox.errors import Leg
from sandbox.faults.content import BODY_FAULTS, OFFER_FAULTS, TOKEN_FAULTS, base_answer
from sandbox.faults.fault_book import Fault, FaultBook, Route
from sandbox.faults.kinds import LATENCY
from sandbox.faults.wire import CUT_FAULTS, WIRE_FAULTS, WIRE_KEY, NoWire, Wire
from sandbox.state.counters import Counters

TOKEN_PATH = "/v1/security/oauth2/token"  # noqa: S105 - a path
SEARCH_PATH = "/v2/shopping/flight-offers"

_CONTENT_FAULTS = {**BODY_FAULTS, **OFFER_FAULTS, **TOKEN_FAULTS}
# What is longer is cut, which no JSON survives.
_MAX_BODY = 1_000_000
_ERRORS_FROM = 400


class Injector:
    """A WSGI application around another one."""

    def __init__(
        self,
        application: Application,
        counters: Counters,
        faults: FaultBook,
        delay: Callable[[], float],
    ) -> None:
        self.counters = counters
        self._application = application
        self._faults = faults
        self._delay = delay

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        keep_body(environ)
        # The router would let slashes more than one pass, unseen by all that looks at the path.
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
        fault = self._faults.take(leg, route)
        if fault is not None and fault.name == LATENCY:
            seconds += Latency.parse(fault.arg).seconds()
        if seconds:
            time.sleep(seconds)
        answer = Answer.of(self._application, environ)
        if fault is not None:
            answer = _spoil(fault, answer)
        if answer.status >= _ERRORS_FROM:
            self.counters.refused(leg, error_codes(answer.body))
        play = WIRE_FAULTS.get(fault.name) if fault is not None else None
        if play is None or fault is None:
            return answer.as_wsgi(start_response)
        play(wire, answer, None if fault.name in CUT_FAULTS else fault.arg)
        return []


def _spoil(fault: Fault, answer: Answer) -> Answer:
    if fault.name in CUT_FAULTS:
        return base_answer(fault.leg, answer, fault.arg)
    spoil = _CONTENT_FAULTS.get(fault.name)
    return answer if spoil is None else spoil(fault.leg, answer, fault.arg)


def leg_of(path: str) -> Leg | None:
    """Which leg a path belongs to."""
    if path == SEARCH_PATH:
        return "search"
    return "token" if path == TOKEN_PATH or path.startswith(TOKEN_PATH + "/") else None


def route_of(environ: Environ) -> Route:
    """Where a search goes, as far as can be told; the body of a POST stays readable."""
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
    """Read the body into memory, so that it can be read twice and has a length.

    The Node SDK sends its bodies in chunks, without a length.
    """
    stated = environ.get("CONTENT_LENGTH")
    if stated:
        length = min(int(stated), _MAX_BODY) if stated.isdigit() else 0
    else:
        length = _MAX_BODY if environ.get("wsgi.input_terminated") else 0
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def error_codes(body: bytes) -> list[str]:
    """The codes that a refusal names, in either shape."""
    try:
        content = orjson.loads(body)
        if "code" in content:
            return [str(content["code"])]
        return [str(item["code"]) for item in content["errors"]]
    except (ValueError, LookupError, TypeError):
        return []
