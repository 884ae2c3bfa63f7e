"""Magic routes: searches that always fail in one way, without any setting.

A search for a magic route is answered like one for the real route JFK to LAX, and then spoiled. So
a bad token or parameter is refused as usual.
"""

import io
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import orjson

from protocol.tokens import Tokens
from sandbox.answer import Environ
from sandbox.faults.fault_book import Fault, Route

# None of the codes is in use: neither `airportsdata` nor OpenTravelData knows them.
ORIGIN = "WIZ"
_REAL_ORIGIN, _REAL_DESTINATION = "JFK", "LAX"
# How long a token counts as new.
_NEW_SECONDS = 60
_MAX_CLIENTS = 1_000


class MagicRoute(NamedTuple):
    """What happens on the route from ORIGIN to a destination."""

    answer: str
    """The answer in a few words, for the page."""
    fault: Fault
    until_new_token: bool = False
    """Whether a client that brings a new token gets a correct answer."""


MAGIC_ROUTES: dict[str, MagicRoute] = {
    "NIL": MagicRoute("200, no offers", Fault("search", "empty_list")),
    "UNS": MagicRoute("200, the cheapest offer comes last", Fault("search", "unsorted")),
    "REV": MagicRoute(
        "401, code 38193: the token is revoked; 200 with a new one",
        Fault("search", "status", "401:38193"),
        until_new_token=True,
    ),
    "JNK": MagicRoute("200, a web page instead of JSON", Fault("search", "html")),
    "DWN": MagicRoute("500, code 141: system error", Fault("search", "status", "500:141")),
    "LTE": MagicRoute("silence for ten minutes", Fault("search", "hang")),
    "RAT": MagicRoute("429, code 38194: too many requests", Fault("search", "status", "429:38194")),
    "NOQ": MagicRoute(
        "429, code 38195, Retry-After 10: the quota is used up",
        Fault("search", "status", "429:38195:10"),
    ),
}


class MagicRoutes:
    """Recognises and answers searches for magic routes. Safe to share between threads."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        # By client id: when the newest token was issued that was rejected.
        self._rejected: dict[str, int] = {}

    def prepare(self, route: Route | None, environ: Environ) -> MagicRoute | None:
        """Return the magic route of a search, and make it a search for the real route.

        For all other requests, return None and change nothing.
        """
        if route is None or route.origin != ORIGIN or route.destination is None:
            return None
        magic = MAGIC_ROUTES.get(route.destination)
        if magic is not None:
            real = {ORIGIN: _REAL_ORIGIN, route.destination: _REAL_DESTINATION}
            _replace_places(environ, real)
        return magic

    def fault_of(self, magic: MagicRoute, environ: Environ) -> Fault | None:
        """Return the fault for a search that was answered correctly; None to leave it so."""
        return None if magic.until_new_token and self._has_new_token(environ) else magic.fault

    def _has_new_token(self, environ: Environ) -> bool:
        """Return whether the token is newer than the one rejected last, and from the last minute.

        A client may take two rejections in a row for a problem that no new token solves. So a new
        token is accepted for a while, for other searches too.
        """
        token = self._tokens.read(environ["HTTP_AUTHORIZATION"].split()[-1])
        assert token is not None  # noqa: S101 - the search was answered
        with self._lock:
            rejected = self._rejected.get(token.client_id, token.issued)
            if token.issued > rejected and token.age(self._clock()) < _NEW_SECONDS:
                return True
            if len(self._rejected) >= _MAX_CLIENTS:
                self._rejected.clear()
            self._rejected[token.client_id] = max(token.issued, rejected)
            return False


def _replace_places(environ: Environ, real: dict[str, str]) -> None:
    """Replace the codes of places in a search that has an origin and a destination."""
    names = ("originLocationCode", "destinationLocationCode")
    if environ["REQUEST_METHOD"] != "POST":
        query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
        environ["QUERY_STRING"] = urlencode(
            [(name, real.get(text, text) if name in names else text) for name, text in query]
        )
        return
    content: dict[str, Any] = orjson.loads(environ["wsgi.input"].read())
    for direction in filter(_is_object, content["originDestinations"]):
        for name in names:
            if isinstance(direction.get(name), str):
                direction[name] = real.get(direction[name], direction[name])
    body = orjson.dumps(content)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
