"""Every fault of Amadeus becomes the right row of the error table, and never a stack trace.

A real sandbox server plays the faults that are known to break the SDK. A real service calls it.
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
from sandbox.faults.kinds import names_for
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

# Expected answers: status and code; a price has no code.
PRICE = (200, None)
NO_OFFERS = (404, "no-offers")
REJECTED = (400, "rejected-by-amadeus")
MISCONFIGURED = (502, "amadeus-misconfigured")
BAD_ANSWER = (502, "amadeus-bad-answer")
UNAVAILABLE = (503, "amadeus-unavailable")
QUOTA = (503, "amadeus-quota")
TIMEOUT = (504, "amadeus-timeout")

# The sandbox's fault and its argument, the expected answer, and the number of calls to Amadeus:
# two where a retry may help.
SEARCH_FAULTS = [
    ("content_type", "application/json", PRICE, 1),
    ("content_type", "application/vnd.amadeus+json", PRICE, 1),
    ("content_type", "application/json; charset=utf-8", PRICE, 1),
    ("content_type", "application/json;charset=UTF-8", PRICE, 1),
    ("content_type", "application/vnd.amadeus+json;charset=utf-8", PRICE, 1),
    ("content_type", "Application/JSON", PRICE, 1),
    ("content_type", "application/hal+json", BAD_ANSWER, 1),
    ("html", None, BAD_ANSWER, 1),
    ("no_content_type", None, BAD_ANSWER, 1),
    ("invalid_json", None, BAD_ANSWER, 1),
    ("empty", None, BAD_ANSWER, 1),
    ("null", None, BAD_ANSWER, 1),
    ("list", None, BAD_ANSWER, 1),
    ("string", None, BAD_ANSWER, 1),
    ("empty_object", None, BAD_ANSWER, 1),
    ("no_data", None, BAD_ANSWER, 1),
    ("null_data", None, BAD_ANSWER, 1),
    ("empty_list", None, NO_OFFERS, 1),
    ("data_and_errors", None, NO_OFFERS, 1),
    ("bom", None, BAD_ANSWER, 1),
    ("latin1", None, BAD_ANSWER, 1),
    ("gzip", None, PRICE, 1),
    ("nan", None, BAD_ANSWER, 1),
    ("deep", None, BAD_ANSWER, 1),
    ("huge", None, BAD_ANSWER, 1),
    ("status", "201", PRICE, 1),
    ("status", "203", PRICE, 1),
    ("html", "202", BAD_ANSWER, 1),
    ("204", None, BAD_ANSWER, 1),
    ("redirect", "304:", BAD_ANSWER, 1),
    ("redirect", "301:", BAD_ANSWER, 1),
    ("redirect", "302:", BAD_ANSWER, 1),
    ("redirect", "302:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "302:file:///etc/hostname", BAD_ANSWER, 1),
    ("redirect", "301:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "307:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "308:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("status", "400", REJECTED, 1),
    ("two_errors", None, REJECTED, 1),
    ("charset", "400", REJECTED, 1),
    ("html", "400", REJECTED, 1),
    ("source_null", None, REJECTED, 1),
    ("errors_null", None, REJECTED, 1),
    ("errors_dict", None, REJECTED, 1),
    ("detail_int", None, REJECTED, 1),
    ("detail_null", None, REJECTED, 1),
    ("string_codes", "400:425", REJECTED, 1),
    ("string_codes", "401:38187", MISCONFIGURED, 1),
    ("string_codes", "404:1797", NO_OFFERS, 1),
    ("status", "400:425", REJECTED, 1),
    ("status", "400:4926", REJECTED, 1),
    ("list", "500", UNAVAILABLE, 2),
    ("null", "500", UNAVAILABLE, 2),
    ("invalid_json", "500", UNAVAILABLE, 2),
    ("invalid_json", "401", MISCONFIGURED, 1),
    ("status", "401:38187", MISCONFIGURED, 1),
    ("status", "401:38191", MISCONFIGURED, 1),
    ("status", "401:39683", MISCONFIGURED, 1),
    ("status", "401:39686", MISCONFIGURED, 1),
    ("status", "401:701", MISCONFIGURED, 1),
    ("status", "403", MISCONFIGURED, 1),
    ("status", "404:38196", MISCONFIGURED, 1),
    ("status", "404:1797", NO_OFFERS, 1),
    ("html", "404", REJECTED, 1),
    ("status", "429:38194", UNAVAILABLE, 2),
    ("status", "500:141", UNAVAILABLE, 2),
    ("status", "500:38189", UNAVAILABLE, 2),
    ("html", "500", UNAVAILABLE, 2),
    ("empty", "500", UNAVAILABLE, 2),
    ("html", "503", UNAVAILABLE, 2),
    ("charset", "504", UNAVAILABLE, 2),
    ("status", "600", UNAVAILABLE, 2),
    ("latin1", "500", UNAVAILABLE, 2),
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
    ("missing_price", "first", PRICE, 1),
    ("missing_price", None, BAD_ANSWER, 1),
    ("odd_price", "first:0.00", PRICE, 1),
    ("odd_price", "abc", BAD_ANSWER, 1),
    ("mixed_currency", None, PRICE, 1),
    ("unsorted", None, PRICE, 1),
]  # fmt: skip

# Faults of the token call, with the argument as above.
TOKEN_FAULTS = [
    ("status", "401", MISCONFIGURED),
    ("status", "400", MISCONFIGURED),
    ("status", "401:39686", MISCONFIGURED),
    ("status", "429", UNAVAILABLE),
    ("status", "500", UNAVAILABLE),
    ("html", "500", UNAVAILABLE),
    ("html", None, BAD_ANSWER),
    ("charset", None, PRICE),
    ("204", None, BAD_ANSWER),
    ("null", None, BAD_ANSWER),
    ("list", None, BAD_ANSWER),
    ("empty_object", None, BAD_ANSWER),
    ("string", None, BAD_ANSWER),
    ("empty", None, BAD_ANSWER),
    ("invalid_json", None, BAD_ANSWER),
    ("deep", None, BAD_ANSWER),
    ("bom", None, BAD_ANSWER),
    ("latin1", None, BAD_ANSWER),
    ("gzip", None, PRICE),
    ("huge", None, BAD_ANSWER),
    ("content_type", None, BAD_ANSWER),
    ("no_content_type", None, BAD_ANSWER),
    ("errors_null", None, MISCONFIGURED),
    ("errors_dict", None, MISCONFIGURED),
    ("source_null", None, MISCONFIGURED),
    ("detail_int", None, MISCONFIGURED),
    ("detail_null", None, MISCONFIGURED),
    ("two_errors", None, MISCONFIGURED),
    ("string_codes", "401:38187", MISCONFIGURED),
    ("string_codes", "429:38194", UNAVAILABLE),
    ("no_expires_in", None, PRICE),
    ("null_expires_in", None, PRICE),
    ("string_expires_in", None, PRICE),
    ("tiny_expires_in", "5", PRICE),
    ("no_access_token", None, BAD_ANSWER),
    ("newline_token", None, BAD_ANSWER),
    ("state_expired", None, PRICE),
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
    ("redirect", "302:/v1/security/oauth2/token", BAD_ANSWER),
    ("redirect", "307:/v1/security/oauth2/token", BAD_ANSWER),
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


def check_problem(answer: httpx2.Response) -> None:
    """Check what every error promises: its form, its request id and its Retry-After."""
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    members = {"type", "title", "status", "detail", "code", "request_id"}
    assert members == set(problem) - {"errors"}
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["status"] == answer.status_code
    assert ("Retry-After" in answer.headers) is (answer.status_code == 503)


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
        check_problem(answer)


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
        check_problem(answer)
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


def test_fault_tables_cover_every_fault_of_the_sandbox() -> None:
    assert names_for("search") == {row[0] for row in SEARCH_FAULTS}
    assert names_for("token") == {row[0] for row in TOKEN_FAULTS}


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
    check_problem(answer)
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
