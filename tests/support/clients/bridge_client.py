"""Clients for a bridge in this process, with a stand-in for its provider."""

from collections.abc import Callable
from typing import Any

import httpx2

from bridge.app import create_app
from bridge.duffel import Duffel
from bridge.ignav import Ignav
from tests.contract.answers import violations
from tests.contract.schemas import Operation
from tests.support.clients.sandbox_client import SEARCH, TOKEN, AmadeusClient, Clock
from tests.support.providers import duffel, ignav

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", SEARCH): "bridged search",
    ("POST", SEARCH): "bridged posted search",
    ("POST", TOKEN): "token",
}


def _check(answer: httpx2.Response) -> None:
    answer.read()
    operation = _OPERATIONS[answer.request.method, answer.request.url.path]
    assert violations(operation, answer) == []


class _CheckedClient(AmadeusClient):
    """A client of a bridge in this process; each answer must match its schema."""

    def __init__(self, app: Callable[..., Any]) -> None:
        super().__init__(app, "http://bridge")
        self.http.event_hooks = {"response": [_check]}


class Bridge(_CheckedClient):
    """A bridge in this process to a stand-in for Duffel, and a client that has a token for it."""

    def __init__(self, *offers: dict[str, Any], token: str = duffel.TOKEN) -> None:
        self.duffel = duffel.Duffel(*offers)
        self.clock = Clock()
        source = Duffel(token, self.duffel.connections, monotonic=self.clock)
        super().__init__(create_app(source, "secret", clock=self.clock))


class IgnavBridge(_CheckedClient):
    """A bridge in this process to a stand-in for Ignav, and a client that has a token for it."""

    def __init__(self, *itineraries: Any, key: str = ignav.KEY, **options: Any) -> None:
        self.ignav = ignav.Ignav(*itineraries, **options)
        self.clock = Clock()
        source = Ignav(key, self.ignav.connections, monotonic=self.clock)
        super().__init__(create_app(source, "secret", clock=self.clock))
