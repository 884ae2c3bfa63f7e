"""A worker recovers from a failed warm-up."""

import threading

import httpx2
import structlog

from api.services.amadeus.circuit_breaker import CircuitBreaker
from api.services.amadeus.httpx2_connections import Httpx2Connections
from api.services.amadeus.replies import Reply
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import TokenProvider
from api.services.amadeus.transport import Call, Transport
from api.services.cache.entries import Caller, Claim
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline
from api.services.lifecycle import Lifecycle
from api.services.status_history import History, Totals
from api.telemetry.events import Event
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually


class StoreWithOneError(MemoryStore):
    """A store whose first claim raises an unexpected error."""

    is_mistaken = True

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        if self.is_mistaken:
            self.is_mistaken = False
            raise ValueError("nobody thought of this")
        return super().claim(key, owner, caller, background=background)


def test_token_is_fetched_even_after_an_unexpected_warm_up_error() -> None:
    store, token = StoreWithOneError(Metrics()), b'{"access_token": "token", "expires_in": 1799}'
    reader = ReadThrough(store, fetch_timeout=5)
    reply = Reply(200, "application/json", token)
    provider = TokenProvider(
        store, reader, lambda *_: reply, "https://x", Credentials("id", "secret"), Metrics()
    )
    history = History(None, Totals)
    worker = Lifecycle(store, reader, provider, CircuitBreaker(Metrics()), history, lambda: None)
    worker.warm_up()
    eventually(lambda: worker.readiness().status == "ready")
    worker.stop()


def test_stop_during_the_warm_up_logs_no_error() -> None:
    store = MemoryStore(Metrics())
    reader, history = ReadThrough(store, fetch_timeout=5), History(None, Totals)
    transport = Transport(Httpx2Connections(httpx2.MockTransport(lambda _: httpx2.Response(200))))
    asked, goes_on = threading.Event(), threading.Event()

    def fetch(call: Call, _deadline: Deadline) -> Reply:
        asked.set()
        goes_on.wait(5)
        return transport.send(call, 5)

    provider = TokenProvider(
        store, reader, fetch, "https://x", Credentials("id", "secret"), Metrics()
    )
    worker = Lifecycle(store, reader, provider, CircuitBreaker(Metrics()), history, transport.close)
    with structlog.testing.capture_logs() as said:
        worker.warm_up()
        assert asked.wait(5)
        worker.stop()
        goes_on.set()
        eventually(lambda: not {"warm-up", "flight"} & {it.name for it in threading.enumerate()})
    assert [line["event"] for line in said] == [Event.SERVICE_STOPPING]
