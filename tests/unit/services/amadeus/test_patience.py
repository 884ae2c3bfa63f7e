"""Patient searches: they take a turn only while fewer than eight are given out ahead."""

import time
from contextlib import suppress
from typing import Any

import httpx2
import pytest
import structlog

from api.errors import AmadeusQuota, AmadeusUnavailable, UpstreamError
from api.services.amadeus.circuit_breaker import CircuitBreaker, UpstreamHealth
from api.services.amadeus.httpx2_connections import Httpx2Connections
from api.services.amadeus.pacing import Pacing, interval
from api.services.amadeus.transport import Call, Transport
from api.services.amadeus.upstream_client import UpstreamClient
from api.services.cache.memory_store import MemoryStore
from api.services.cache.requests import FetchPostponed
from api.services.deadline import Deadline, Patience, Terms
from api.telemetry.metrics import Metrics

# Fast, so that a queue of turns passes quickly; and far above the rate of a busy machine.
RATE = 20.0
CALL = Call("GET", "http://amadeus/v2/shopping/flight-offers", {})


class Noted:
    """Counts what a patient search reports."""

    def __init__(self) -> None:
        self.turns = self.calls = 0
        self.patience = Patience(self.turn_taken, self.called)

    def turn_taken(self) -> None:
        self.turns += 1

    def called(self) -> None:
        self.calls += 1


def pacing(store: MemoryStore, rate: float | None = RATE) -> Pacing:
    return Pacing(store, "account", rate, 1, Metrics())


def give_out(store: MemoryStore, turns: int, rate: float = RATE) -> None:
    """Give out turns as other searches would take them."""
    for _ in range(turns):
        store.take_turns("pace|account", interval(rate), 1000, 1)


@pytest.mark.parametrize(("ahead", "is_room"), [(0, True), (7, True), (8, False)])
def test_patient_search_takes_a_turn_only_while_few_are_given_out(
    ahead: int, *, is_room: bool
) -> None:
    store = MemoryStore(Metrics(), clock=lambda: 1000.0)  # no turn passes
    give_out(store, 1 + ahead)  # the first one is now, so it is not ahead
    noted = Noted()
    terms = Terms(Deadline(60), noted.patience)

    assert (pacing(store).room_in(Deadline(60), 10) == 0.0) is is_room
    if is_room:
        pacing(store).await_turn(terms, 10)
    else:
        with pytest.raises(FetchPostponed):
            pacing(store).await_turn(terms, 10)
    assert noted.turns == is_room


def test_there_is_no_room_where_a_turn_would_come_too_late() -> None:
    store = MemoryStore(Metrics(), clock=lambda: 1000.0)
    give_out(store, 4)
    hurried = Deadline(4 * interval(RATE))

    assert pacing(store).room_in(hurried, 10) == pytest.approx(3 * interval(RATE), abs=0.02)
    with pytest.raises(FetchPostponed):
        pacing(store).await_turn(Terms(hurried, Noted().patience), 10)


def test_single_prices_find_turns_beside_calendars_at_one_call_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    slow = pacing(MemoryStore(Metrics(), clock=lambda: 1000.0), rate=1.0)  # no turn passes
    with suppress(FetchPostponed):
        while True:
            slow.await_turn(Terms(Deadline(15), Noted().patience), 10)
    assert waits

    for _ in range(4):
        slow.await_turn(Terms(Deadline(15)), 10)


def test_look_for_room_takes_no_turn() -> None:
    store = MemoryStore(Metrics(), clock=lambda: 1000.0)
    give_out(store, 11)

    waits = [pacing(store).room_in(Deadline(60), 10) for _ in range(20)]

    assert waits == pytest.approx([3 * interval(RATE)] * 20)


def test_ordinary_search_waits_behind_any_number_of_turns() -> None:
    store = MemoryStore(Metrics())
    give_out(store, 11)

    pacing(store).await_turn(Terms(Deadline(60)), 10)


def test_search_without_a_rate_limit_has_room_at_once() -> None:
    assert pacing(MemoryStore(Metrics()), rate=None).room_in(Deadline(60), 10) == 0.0


def failing(_environ: Any, start_response: Any) -> list[bytes]:
    """An Amadeus that answers each search with an error that may pass."""
    start_response("500 Internal Server Error", [("Content-Type", "application/json")])
    return [b'{"errors": [{"status": 500, "code": 141, "title": "SYSTEM ERROR HAS OCCURRED"}]}']


def client_of(store: MemoryStore, breaker: CircuitBreaker) -> UpstreamClient:
    transport = Transport(Httpx2Connections(httpx2.WSGITransport(app=failing)))
    return UpstreamClient(transport, pacing(store), breaker, 5, Metrics())


def test_postponed_search_does_not_count_as_a_failure() -> None:
    store, breaker, noted = (
        MemoryStore(Metrics(), clock=lambda: 1000.0),
        CircuitBreaker(Metrics()),
        Noted(),
    )
    give_out(store, 9)
    with pytest.raises(FetchPostponed):
        client_of(store, breaker).search(CALL, Terms(Deadline(60), noted.patience))

    assert breaker.last_seen_seconds is None
    assert (noted.turns, noted.calls) == (0, 0)


def test_each_call_is_reported_including_the_retry() -> None:
    noted = Noted()
    with pytest.raises(UpstreamError):
        client_of(MemoryStore(Metrics()), CircuitBreaker(Metrics())).search(
            CALL, Terms(Deadline(60), noted.patience)
        )

    assert (noted.turns, noted.calls) == (2, 2)


def test_retry_of_a_patient_search_leaves_the_turns_to_others() -> None:
    store, noted = MemoryStore(Metrics()), Noted()
    others_come = Patience(lambda: give_out(store, 200), noted.called)
    with pytest.raises(UpstreamError):
        client_of(store, CircuitBreaker(Metrics())).search(CALL, Terms(Deadline(60), others_come))

    assert noted.calls == 1


def test_look_for_room_raises_what_a_search_would_end_with() -> None:
    store, breaker = MemoryStore(Metrics()), CircuitBreaker(Metrics())
    upstream = client_of(store, breaker)
    assert upstream.room_in(Deadline(60)) == 0.0
    pacing(store).pause(AmadeusQuota("used up", retry_after=60))
    with pytest.raises(AmadeusQuota):
        upstream.room_in(Deadline(60))
    for _ in range(10):
        breaker.report(UpstreamHealth.FAILING, breaker.admit())
    with pytest.raises(AmadeusUnavailable):
        upstream.room_in(Deadline(60))


def probing() -> CircuitBreaker:
    """A circuit breaker whose probe is under way."""
    breaker = CircuitBreaker(Metrics(), open_seconds=0)
    for _ in range(10):
        breaker.report(UpstreamHealth.FAILING, breaker.admit())
    breaker.admit()
    return breaker


def test_look_for_room_waits_for_the_probe() -> None:
    assert 0 < client_of(MemoryStore(Metrics()), probing()).room_in(Deadline(60)) < 1


def test_probe_postpones_a_patient_search_and_refuses_an_ordinary_one() -> None:
    upstream, noted = client_of(MemoryStore(Metrics()), probing()), Noted()
    with pytest.raises(FetchPostponed):
        upstream.search(CALL, Terms(Deadline(60), noted.patience))
    with pytest.raises(AmadeusUnavailable):
        upstream.search(CALL, Terms(Deadline(60)))

    assert noted.calls == 0


def test_retry_without_a_turn_ends_with_the_error_of_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, noted = MemoryStore(Metrics()), Noted()
    # Others come after the search has looked for room.
    monkeypatch.setattr(time, "sleep", lambda _: give_out(store, 200))
    with structlog.testing.capture_logs() as record, pytest.raises(UpstreamError):
        client_of(store, CircuitBreaker(Metrics())).search(
            CALL, Terms(Deadline(60), noted.patience)
        )

    assert noted.calls == 1
    assert "amadeus.retry" not in {line["event"] for line in record}
