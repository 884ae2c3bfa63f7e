"""Clients for a bridge in this process, with a stand-in for its provider."""

from typing import Any

from bridge.app import create_app
from bridge.duffel import Duffel
from bridge.ignav import Ignav
from tests.support.clients.sandbox_client import AmadeusClient, Clock
from tests.support.providers import duffel, ignav


class Bridge(AmadeusClient):
    """A bridge in this process to a stand-in for Duffel, and a client that has a token for it."""

    def __init__(self, *offers: dict[str, Any], token: str = duffel.TOKEN) -> None:
        self.duffel = duffel.Duffel(*offers)
        self.clock = Clock()
        source = Duffel(token, self.duffel.connections, monotonic=self.clock)
        super().__init__(create_app(source, "secret", clock=self.clock), "http://bridge")


class IgnavBridge(AmadeusClient):
    """A bridge in this process to a stand-in for Ignav, and a client that has a token for it."""

    def __init__(self, *itineraries: Any, key: str = ignav.KEY, **options: Any) -> None:
        self.ignav = ignav.Ignav(*itineraries, **options)
        source = Ignav(key, self.ignav.connections)
        super().__init__(create_app(source, "secret", clock=Clock()), "http://bridge")
