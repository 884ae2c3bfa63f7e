"""The official, unmodified Python SDK works with the sandbox, and faults break it as expected.

The second column is how the SDK reacted to such answers of other servers.
"""

import datetime as dt
import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import amadeus
import pytest

from tests.support.processes import MAX_WAIT_SECONDS
from tests.support.servers.sandbox_server import SandboxServer

SEARCH = {
    "originLocationCode": "JFK",
    "destinationLocationCode": "LAX",
    "departureDate": str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)),
    "adults": 1,
    "max": 2,
}
AuthenticationError = amadeus.client.errors.AuthenticationError
ClientError = amadeus.client.errors.ClientError
NotFoundError = amadeus.client.errors.NotFoundError
ParserError = amadeus.client.errors.ParserError
ServerError = amadeus.client.errors.ServerError


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on a silent server after this time: the SDK has no time limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    with socket_timeout(MAX_WAIT_SECONDS):
        yield


def client(server: SandboxServer) -> Any:
    return amadeus.Client(
        client_id="me", client_secret="secret", host=server.host, port=server.port, ssl=False
    )


def search(server: SandboxServer) -> Any:
    return client(server).shopping.flight_offers_search.get(**SEARCH)


def limit_for(outcome: type[Exception]) -> float:
    """A short socket timeout if one is expected, else one that a busy machine does not reach."""
    return 0.5 if outcome is TimeoutError else MAX_WAIT_SECONDS


def test_sdk_searches_by_get(server: SandboxServer) -> None:
    answer = search(server)
    assert answer.status_code == 200
    assert len(answer.data) == 2
    assert float(answer.data[0]["price"]["grandTotal"]) > 0


def test_sdk_searches_by_post(server: SandboxServer) -> None:
    body = {
        "originDestinations": [
            {
                "id": "1",
                "originLocationCode": "JFK",
                "destinationLocationCode": "LAX",
                "departureDateTimeRange": {"date": SEARCH["departureDate"]},
            }
        ],
        "travelers": [{"id": "1", "travelerType": "ADULT"}],
        "sources": ["GDS"],
        "searchCriteria": {"maxFlightOffers": 2},
    }
    answer = client(server).shopping.flight_offers_search.post(body)
    assert answer.data == search(server).data


def test_sdk_keeps_its_token(server: SandboxServer) -> None:
    one = client(server)
    for _ in range(3):
        one.shopping.flight_offers_search.get(**SEARCH)
    assert server.counters()["token"]["calls"] == 1


def test_sdk_names_a_wrong_parameter(server: SandboxServer) -> None:
    with pytest.raises(ClientError) as caught:
        client(server).shopping.flight_offers_search.get(**SEARCH | {"adults": 0})
    assert "[adults]" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "arg", "outcome"),
    [
        ("status", "201", None),
        ("status", "302", None),
        ("status", "203", None),
        ("204", None, None),
        ("null", None, None),
        ("empty_object", None, None),
        ("no_data", None, None),
        ("empty_list", None, None),
        ("data_and_errors", None, None),
        ("nan", None, None),
        ("many_headers", "50", None),
        ("slow_headers", "0", None),
        ("charset", None, ParserError),
        ("content_type", "application/hal+json", ParserError),
        ("content_type", "Application/JSON", ParserError),
        ("no_content_type", None, ParserError),
        ("html", None, ParserError),
        ("html", "202", ParserError),
        ("invalid_json", None, ParserError),
        ("empty", None, ParserError),
        ("bom", None, ParserError),
        ("deep", None, ParserError),
        ("truncated_no_length", None, ParserError),
        ("invalid_json", "401", ParserError),
        ("invalid_json", "500", ParserError),
        ("status", "304", ParserError),
        ("redirect", "301:", ParserError),
        ("list", None, AttributeError),
        ("string", None, AttributeError),
        ("list", "500", AttributeError),
        ("null", "500", TypeError),
        ("latin1", None, UnicodeDecodeError),
        ("gzip", None, UnicodeDecodeError),
        ("latin1", "500", UnicodeDecodeError),
        ("gzip", "500", UnicodeDecodeError),
        ("errors_null", None, TypeError),
        ("source_null", None, TypeError),
        ("detail_int", None, TypeError),
        ("detail_null", None, TypeError),
        ("errors_dict", None, ClientError),
        ("two_errors", None, ClientError),
        ("charset", "400", ClientError),
        ("html", "400", ClientError),
        ("status", "400:425", ClientError),
        ("status", "401:38192", AuthenticationError),
        ("status", "403", ClientError),
        ("status", "404", NotFoundError),
        ("status", "429:38194", ClientError),
        ("status", "429:38195", ClientError),
        ("status", "500", ServerError),
        ("status", "600", ServerError),
        ("html", "503", ServerError),
        ("empty", "500", ServerError),
        ("charset", "504", ServerError),
        ("reset", None, ConnectionResetError),
        ("reset_in_body", None, ConnectionResetError),
        ("close", None, http.client.RemoteDisconnected),
        ("garbage", None, http.client.BadStatusLine),
        ("long_header", None, http.client.LineTooLong),
        ("many_headers", None, http.client.HTTPException),
        ("truncated", None, http.client.IncompleteRead),
        ("truncated", "500", http.client.IncompleteRead),
        ("truncated_chunk", None, http.client.IncompleteRead),
        ("bad_chunk", None, http.client.IncompleteRead),
        ("hang", None, TimeoutError),
        ("hang_in_body", None, TimeoutError),
        ("latency", "5000", TimeoutError),
    ],
)
def test_search_fault_breaks_the_sdk_as_documented(
    server: SandboxServer, fault: str, arg: str | None, outcome: type[Exception] | None
) -> None:
    server.fault("search", fault, arg)
    if outcome is None:
        search(server)
    else:
        with pytest.raises(outcome), socket_timeout(limit_for(outcome)):
            search(server)
    server.clear()
    assert search(server).status_code == 200


@pytest.mark.parametrize(
    ("fault", "arg", "outcome"),
    [
        ("charset", None, ParserError),
        ("html", None, ParserError),
        ("204", None, AttributeError),
        ("null", None, AttributeError),
        ("list", None, AttributeError),
        ("null_expires_in", None, TypeError),
        ("string_expires_in", None, TypeError),
        ("newline_token", None, ValueError),
        ("status", "401", AuthenticationError),
        ("status", "401:39686", AuthenticationError),
        ("status", "400", ClientError),
        ("status", "429", ClientError),
        ("status", "500:38189", ServerError),
        ("html", "500", ServerError),
        ("redirect", "307:/", ParserError),
        ("hang", None, TimeoutError),
        ("reset", None, ConnectionResetError),
        ("state_expired", None, None),
    ],
)
def test_token_fault_breaks_the_sdk_as_documented(
    server: SandboxServer, fault: str, arg: str | None, outcome: type[Exception] | None
) -> None:
    server.fault("token", fault, arg)
    if outcome is None:
        search(server)
    else:
        with pytest.raises(outcome), socket_timeout(limit_for(outcome)):
            search(server)


@pytest.mark.parametrize("fault", ["no_expires_in", "tiny_expires_in"])
def test_sdk_fetches_a_token_without_lifetime_for_each_call(
    server: SandboxServer, fault: str
) -> None:
    server.fault("token", fault)
    one = client(server)
    for _ in range(3):
        one.shopping.flight_offers_search.get(**SEARCH)
    assert server.counters()["token"]["calls"] == 3


def test_sdk_sends_a_missing_token_as_none(server: SandboxServer) -> None:
    server.fault("token", "no_access_token")
    with pytest.raises(AuthenticationError):
        search(server)
    assert server.counters()["refusals"] == {"38190": 1}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_sdk_follows_a_redirect(server: SandboxServer, status: int) -> None:
    query = "&".join(f"{name}={value}" for name, value in SEARCH.items())
    server.fault("search", "redirect", f"{status}:/v2/shopping/flight-offers?{query}", count=1)
    assert len(search(server).data) == 2
    assert server.counters()["search"]["calls"] == 2


def test_sdk_gives_up_on_a_redirect_loop(server: SandboxServer) -> None:
    query = "&".join(f"{name}={value}" for name, value in SEARCH.items())
    server.fault("search", "redirect", f"/v2/shopping/flight-offers?{query}")
    with pytest.raises(ParserError):
        search(server)


def test_slowly_dripped_reply_outlives_the_sdk_timeout(server: SandboxServer) -> None:
    limit = 2.0
    server.fault("search", "slow_body", 0.0007)
    started = time.monotonic()
    with socket_timeout(limit):
        assert len(search(server).data) == 2
    assert time.monotonic() - started > limit


def test_sdk_uses_a_rejected_token_again(server: SandboxServer) -> None:
    one = client(server)
    one.shopping.flight_offers_search.get(**SEARCH)
    server.revoke_tokens(38192)
    for _ in range(2):
        with pytest.raises(AuthenticationError) as caught:
            one.shopping.flight_offers_search.get(**SEARCH)
        assert caught.value.response.result["errors"][0]["code"] == 38192
    assert server.counters()["token"]["calls"] == 1
