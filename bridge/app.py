"""The composition root of the bridge."""

import hmac
import re
import time
from collections.abc import Callable
from typing import Any

import falcon

from protocol.app import create_app as create_protocol_app
from protocol.errors import AmadeusError
from protocol.reference.airports import Airports
from protocol.roles import OfferSource
from protocol.tokens import Tokens

_TOKEN_LIFE = 1799
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class LoopbackNames:
    """Middleware that refuses requests to another name than those of this machine.

    A web page can give its own name the address of this machine, and so search through a bridge
    that asks for no credentials.
    """

    def process_request(self, req: falcon.Request, _: falcon.Response) -> None:
        """Raise AmadeusError 38197 for a request to another name. Every browser sends one."""
        name = req.get_header("Host")
        if name is not None and not _LOOPBACK.fullmatch(name):
            raise AmadeusError(38197)


class Operator:
    """Gives tokens for the configured credentials, or for any if there are none."""

    name = "bridge"
    token_life = _TOKEN_LIFE

    def __init__(
        self, client_id: str | None, client_secret: str | None, clock: Callable[[], float]
    ) -> None:
        self._expected = (client_id, client_secret)
        self._clock = clock

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._clock()

    def accepts(self, client_id: str, client_secret: str) -> bool:
        """Return whether these credentials get a token."""
        return all(
            given != ""
            if expected is None
            else hmac.compare_digest(given.encode(), expected.encode())
            for given, expected in zip((client_id, client_secret), self._expected, strict=True)
        )

    def admit(self, client_id: str) -> None:
        """Admit every search: the provider has its own limits."""


def create_app(
    offers: OfferSource,
    token_secret: str,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    clock: Callable[[], float] = time.time,
) -> "falcon.App[Any, Any]":
    """Create a bridge to a provider: a WSGI application.

    token_secret: signs the access tokens. Processes with the same secret accept each other's.
    """
    tokens = Tokens(token_secret, clock)
    operator = Operator(client_id, client_secret, clock)
    return create_protocol_app(operator, tokens, Airports(), offers)
