"""Every fault of the connection to Amadeus becomes the right row of the error table.

A real sandbox server plays the faults, with replies whose length or status is special in HTTP. A
real service calls it. tests/unit/services/amadeus/test_amadeus_replies.py has all other replies.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx2
import pytest
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from sandbox.faults.kinds import LATENCY
from sandbox.faults.wire import WIRE_FAULTS
from tests.support.error_table import (
    BAD_ANSWER,
    MISCONFIGURED,
    PRICE,
    QUOTA,
    REJECTED,
    TIMEOUT,
    UNAVAILABLE,
    check_problem,
)
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

# The sandbox's fault and its argument, the expected answer, and the number of calls to Amadeus:
# two where a retry may help.
SEARCH_FAULTS = [
    ("gzip", None, PRICE, 1),
    ("huge", None, BAD_ANSWER, 1),
    ("204", None, BAD_ANSWER, 1),
    ("redirect", "304:", BAD_ANSWER, 1),
    ("status", "600", UNAVAILABLE, 2),
    ("gzip", "500", UNAVAILABLE, 2),
    ("reset", None, UNAVAILABLE, 2),
    ("close", None, UNAVAILABLE, 2),
    ("garbage", None, BAD_ANSWER, 2),
    ("long_header", "70000", PRICE, 1),
    ("long_header", "200000", BAD_ANSWER, 2),
    ("many_headers", "150", PRICE, 1),
    ("reset_in_body", None, UNAVAILABLE, 2),
    ("truncated", None, BAD_ANSWER, 2),
    ("truncated", "500", BAD_ANSWER, 2),
    ("truncated_no_length", None, BAD_ANSWER, 1),
    ("truncated_chunk", None, BAD_ANSWER, 2),
    ("bad_chunk", None, BAD_ANSWER, 2),
    ("hang", None, TIMEOUT, 1),
    ("hang_in_body", None, TIMEOUT, 1),
    ("latency", "50", PRICE, 1),
    ("latency", "5000", TIMEOUT, 1),
    ("slow_headers", None, TIMEOUT, 1),
    ("slow_body", None, TIMEOUT, 1),
]  # fmt: skip

# Faults of the token call, with the argument as above.
TOKEN_FAULTS = [
    ("204", None, BAD_ANSWER),
    ("gzip", None, PRICE),
    ("huge", None, BAD_ANSWER),
    ("hang", None, TIMEOUT),
    ("hang_in_body", None, TIMEOUT),
    ("latency", "5000", TIMEOUT),
    ("slow_headers", "0.001", PRICE),
    ("slow_body", "0.001", PRICE),
    ("reset", None, UNAVAILABLE),
    ("reset_in_body", None, UNAVAILABLE),
    ("close", None, UNAVAILABLE),
    ("garbage", None, BAD_ANSWER),
    ("truncated", None, BAD_ANSWER),
    ("truncated_no_length", None, BAD_ANSWER),
    ("truncated_chunk", None, BAD_ANSWER),
    ("bad_chunk", None, BAD_ANSWER),
    ("many_headers", None, PRICE),
    ("long_header", None, PRICE),
    ("long_header", "200000", BAD_ANSWER),
]

_days = count(31)  # other tests use the days before


@pytest.fixture(scope="module")
def impatient(shared_sandbox: SandboxServer) -> Iterator[Service]:
    """A service that gives Amadeus one second."""
    with Service.on(shared_sandbox, amadeus_timeout=1) as running:
        running.price()  # the first search makes the sandbox read its airports
        yield running


@pytest.fixture
def service(sandbox: SandboxServer, impatient: Service) -> Service:
    """The shared service, with its circuit breaker closed again."""
    assert impatient.price(nocache="1").status_code == 200
    sandbox.clear()
    return impatient


@contextmanager
def worker_of(base_url: str) -> Iterator[httpx2.Client]:
    """A worker that has just started in this process, with Amadeus at `base_url`."""
    settings = Settings(
        amadeus_base_url=base_url,
        amadeus_client_id=SecretStr("id"),
        amadeus_client_secret=SecretStr("secret"),
        amadeus_timeout=1,
        redis_url=SecretStr("memory://"),
    )
    application = create_app(settings)
    transport = httpx2.WSGITransport(app=application)
    with httpx2.Client(transport=transport, base_url="http://service") as client:
        yield client
    application.stop()


def price(client: httpx2.Client) -> httpx2.Response:
    query = {"origin": "JFK", "destination": "LAX", "date": some_day(next(_days))}
    return client.get("/flights/price", params=query)


def kind(answer: httpx2.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize(
    ("fault", "argument", "expected", "calls"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}" if row[1] else row[0]) for row in SEARCH_FAULTS],
)
def test_broken_search_becomes_a_row_of_the_error_table(
    sandbox: SandboxServer,
    service: Service,
    fault: str,
    argument: str | None,
    expected: tuple[int, str | None],
    calls: int,
) -> None:
    sandbox.fault("search", fault, argument)

    answer = service.price(date=some_day(next(_days)))

    assert kind(answer) == expected
    assert sandbox.counters()["search"]["calls"] == calls
    if expected != PRICE:
        check_problem(answer.status_code, answer.headers, answer.json())


@pytest.mark.parametrize(
    ("fault", "argument", "expected"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}" if row[1] else row[0]) for row in TOKEN_FAULTS],
)
def test_broken_token_call_becomes_a_row_of_the_error_table(
    sandbox: SandboxServer, fault: str, argument: str | None, expected: tuple[int, str | None]
) -> None:
    sandbox.fault("token", fault, argument)

    with worker_of(sandbox.url) as worker:
        answer = price(worker)

    assert kind(answer) == expected
    if expected != PRICE:
        check_problem(answer.status_code, answer.headers, answer.json())
        assert sandbox.counters()["search"]["calls"] == 0


def test_unknown_code_is_named_as_the_client_wrote_it(service: Service) -> None:
    places = service.price(origin="QQQ", destination="QQZ", currency="USD")
    currency = service.price(currency="QQQ")

    assert {kind(places), kind(currency)} == {REJECTED}
    unknown = "is unknown to Amadeus"
    assert places.json()["detail"] == (
        "Amadeus does not know the city or airport QQQ or the city or airport QQZ (4926)."
    )
    assert places.json()["errors"] == [
        {"parameter": "origin", "detail": unknown},
        {"parameter": "destination", "detail": unknown},
    ]
    assert currency.json()["detail"] == "Amadeus does not know the currency QQQ (4926)."
    assert {call["level"] for call in service.log("amadeus.call", status=400)} == {"info"}


def test_fault_tables_cover_every_connection_fault_of_the_sandbox() -> None:
    faults = {LATENCY, *WIRE_FAULTS}
    assert faults <= {row[0] for row in SEARCH_FAULTS}
    assert faults <= {row[0] for row in TOKEN_FAULTS}


@pytest.mark.parametrize("code", [38190, 38192, 38193])
def test_rejected_token_is_replaced_within_the_request(sandbox: SandboxServer, code: int) -> None:
    with worker_of(sandbox.url) as worker:
        price(worker)
        sandbox.clear()
        sandbox.revoke_tokens(code)

        answer = price(worker)

    assert kind(answer) == PRICE
    counters = sandbox.counters()
    assert (counters["token"]["calls"], counters["search"]["calls"]) == (1, 2)
    assert counters["refusals"] == {str(code): 1}


def test_rejection_of_every_token_is_reported_after_one_replacement(sandbox: SandboxServer) -> None:
    with worker_of(sandbox.url) as worker:
        price(worker)
        sandbox.clear()
        sandbox.fault("search", "status", "401:38190")

        answers = [price(worker) for _ in range(3)]

    assert {kind(answer) for answer in answers} == {MISCONFIGURED}
    assert sandbox.counters()["token"]["calls"] == 1


def test_exhausted_quota_stops_all_calls(sandbox: SandboxServer) -> None:
    sandbox.fault("search", "status", "429:38195")

    with worker_of(sandbox.url) as worker:
        answers = [price(worker) for _ in range(3)]

    assert {kind(answer) for answer in answers} == {QUOTA}
    assert int(answers[0].headers["Retry-After"]) > 0
    assert sandbox.counters()["search"]["calls"] == 1


def test_cheapest_offer_is_found_at_any_position(sandbox: SandboxServer, service: Service) -> None:
    day = some_day(next(_days))
    honest = service.price(date=day).json()
    sandbox.fault("search", "unsorted")

    assert service.price(date=day, nocache="1").json() == honest


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose accept queue is full, so that no connection succeeds."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def error_with_amadeus_at(base_url: str) -> tuple[int, str | None]:
    """The answer of a service with Amadeus at `base_url`."""
    with worker_of(base_url) as worker:
        answer = price(worker)
    check_problem(answer.status_code, answer.headers, answer.json())
    return kind(answer)


def test_amadeus_that_refuses_connections_is_reported_as_unavailable() -> None:
    assert error_with_amadeus_at("http://127.0.0.1:1") == UNAVAILABLE


def test_amadeus_with_an_unknown_host_name_is_reported_as_unavailable() -> None:
    assert error_with_amadeus_at("http://amadeus.invalid") == UNAVAILABLE


def test_amadeus_without_tls_is_reported_as_unavailable(sandbox: SandboxServer) -> None:
    assert error_with_amadeus_at(f"https://{sandbox.host}:{sandbox.port}") in {UNAVAILABLE, TIMEOUT}


def test_amadeus_that_accepts_no_connection_is_a_timeout() -> None:
    with deaf_port() as port:
        assert error_with_amadeus_at(f"http://127.0.0.1:{port}") == TIMEOUT
