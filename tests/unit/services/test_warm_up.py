"""A worker that starts badly gets over it."""

import threading

import httpx2
import structlog

from api.services.amadeus.circuit_breaker import CircuitBreaker
from api.services.amadeus.replies import Reply
from api.services.amadeus.token_provider import Credentials, TokenVault
from api.services.amadeus.transport import Call, Transport
from api.services.cache.entries import Turn
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline
from api.services.lifecycle import Lifecycle
from api.services.status_history import Figures, History
from api.telemetry.events import Event
from tests.support.processes import eventually


class OnceMistakenStore(MemoryStore):
    """The first claim meets what nobody thought of."""

    is_mistaken = True

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Turn:
        if self.is_mistaken:
            self.is_mistaken = False
            raise ValueError("nobody thought of this")
        return super().claim(key, owner, not_before, arrived, background=background)


def test_a_token_is_fetched_even_if_the_warm_up_meets_what_nobody_thought_of() -> None:
    store, token = OnceMistakenStore(), b'{"access_token": "token", "expires_in": 1799}'
    reader = ReadThrough(store, patience=5)
    reply = Reply(200, "application/json", token)
    vault = TokenVault(store, reader, lambda *_: reply, "https://x", Credentials("id", "secret"))
    history = History(None, Figures)
    worker = Lifecycle(store, reader, vault, CircuitBreaker(), history, lambda: None)
    worker.warm_up()
    eventually(lambda: worker.readiness().status == "ready")
    worker.stop()


def test_a_stop_in_the_middle_of_the_warm_up_is_no_mistake_to_log() -> None:
    store = MemoryStore()
    reader, history = ReadThrough(store, patience=5), History(None, Figures)
    transport = Transport(httpx2.MockTransport(lambda _: httpx2.Response(200)))
    asked, goes_on = threading.Event(), threading.Event()

    def fetch(call: Call, _deadline: Deadline) -> Reply:
        asked.set()
        goes_on.wait(5)
        return transport.send(call, 5)

    vault = TokenVault(store, reader, fetch, "https://x", Credentials("id", "secret"))
    worker = Lifecycle(store, reader, vault, CircuitBreaker(), history, transport.close)
    with structlog.testing.capture_logs() as said:
        worker.warm_up()
        assert asked.wait(5)
        worker.stop()
        goes_on.set()
        eventually(lambda: not {"warm-up", "flight"} & {it.name for it in threading.enumerate()})
    assert [line["event"] for line in said] == [Event.SERVICE_STOPPING]
