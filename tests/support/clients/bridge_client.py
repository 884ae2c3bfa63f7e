"""A client for a bridge in this process, with a stand-in for its provider."""

from typing import Any

from bridge.app import create_app
from bridge.duffel import Duffel
from tests.support.clients.sandbox_client import AmadeusClient, Clock
from tests.support.providers import duffel


class Bridge(AmadeusClient):
    """A bridge in this process to a stand-in for Duffel, and a client that has a token for it."""

    def __init__(self, *offers: dict[str, Any], token: str = duffel.TOKEN) -> None:
        self.duffel = duffel.Duffel(*offers)
        self.clock = Clock()
        source = Duffel(token, self.duffel.connections, monotonic=self.clock)
        super().__init__(create_app(source, "secret", clock=self.clock), "http://bridge")
