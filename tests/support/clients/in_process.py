"""The service in this process: falcon.testing sends requests.

A sandbox answers searches, or a bridge to a stand-in for a provider.
"""

from types import TracebackType
from typing import Any, Self

import httpx2
from falcon.testing import Result, TestClient

from api.app import create_app
from api.services.cache.memory_store import MemoryStore
from api.settings import Settings
from sandbox import SandboxConfig
from sandbox import create_app as create_sandbox
from tests.support.processes import eventually
from tests.support.providers.stand_in import StandIn
from tests.support.servers.service import some_day

Headers = dict[str, str] | None


class InProcess:
    """The service on an upstream of this process, ready for requests while the `with` lasts."""

    def __init__(
        self, upstream: httpx2.BaseTransport, *, store: MemoryStore | None = None, **settings: Any
    ) -> None:
        self.app = create_app(Settings(**settings), store=store, transport=upstream)
        self.client = TestClient(self.app)

    def __enter__(self) -> Self:
        self.app.warm_up()
        eventually(lambda: self.get("/readyz").status_code == httpx2.codes.OK)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.app.stop()

    def get(self, path: str, headers: Headers = None, **query: str) -> Result:
        """GET a path with these headers and query parameters."""
        return self.client.simulate_get(path, headers=headers, params=query)

    def price(self, method: str = "GET", headers: Headers = None, **query: str) -> Result:
        """GET the price from JFK to LAX on a bookable day; parameters can be changed."""
        return self._search(method, "/flights/price", headers, query)

    def offer(self, method: str = "GET", headers: Headers = None, **query: str) -> Result:
        """GET the offer that has this price."""
        return self._search(method, "/flights/offer", headers, query)

    def _search(self, method: str, path: str, headers: Headers, query: dict[str, str]) -> Result:
        query = {"origin": "JFK", "destination": "LAX", "date": some_day(), **query}
        return self.client.simulate_request(method, path, headers=headers, params=query)

    def calendar(
        self, query: dict[str, str], headers: Headers = None, method: str = "GET"
    ) -> Result:
        """GET the prices from JFK to LAX of these days; parameters can be changed."""
        query = {"origin": "JFK", "destination": "LAX", **query}
        return self.client.simulate_request(
            method, "/flights/calendar", headers=headers, params=query
        )


class LocalService(InProcess):
    """The service with its own sandbox."""

    def __init__(self, *, store: MemoryStore | None = None, **settings: Any) -> None:
        sandbox = httpx2.WSGITransport(app=create_sandbox(SandboxConfig(admin=True)))
        self._admin = httpx2.Client(transport=sandbox, base_url="http://sandbox/admin")
        super().__init__(sandbox, store=store, **settings)

    def fault(self, leg: str, name: str, arg: object = None, count: int | None = None) -> None:
        """Play this fault on the next `count` requests of the leg, or until changed."""
        wanted = {"leg": leg, "fault": name, "arg": arg, "count": count}
        self._admin.put("/faults", json=wanted).raise_for_status()

    def clear(self) -> None:
        """Remove all faults, and reset the counters."""
        self._admin.delete("/faults").raise_for_status()
        self._admin.delete("/counters").raise_for_status()

    def searches(self) -> int:
        """The number of searches since the last `clear`."""
        calls: int = self._admin.get("/counters").json()["search"]["calls"]
        return calls

    def most_at_once(self) -> int:
        """The highest number of requests under way in the sandbox since the last `clear`."""
        most: int = self._admin.get("/counters").json()["max_concurrent"]
        return most


class BridgedService(InProcess):
    """The service with the bridge, to a stand-in for its provider.

    settings: replace those that the stand-in accepts.
    """

    def __init__(
        self, stand_in: StandIn, *, store: MemoryStore | None = None, **settings: Any
    ) -> None:
        (variable, key), _ = stand_in.environment("").items()
        account = {"amadeus_environment": stand_in.name, variable.lower(): key}
        super().__init__(stand_in.connections, store=store, **{**account, **settings})
