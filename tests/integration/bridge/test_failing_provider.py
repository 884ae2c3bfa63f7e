"""What a bridge does with a provider that fails in ways that only sockets can show."""

import concurrent.futures
import itertools
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.clients import plain_http
from tests.support.leaks import leaks
from tests.support.processes import connections_of, eventually
from tests.support.providers import duffel, ignav
from tests.support.providers.stand_in import StandIn
from tests.support.servers.bridge_server import ProviderServer, QuickBridge
from tests.support.servers.rude_server import (
    Behaviour,
    RudeServer,
    hangs,
    repeats,
    resets,
    says,
)
from tests.support.servers.service import some_day

SECONDS = 1.0
KEYS = [duffel.TOKEN, ignav.KEY]
# A search that failed may be answered from memory, so each search has a day of its own.
DAYS = itertools.count(1)
OK = "HTTP/1.1 200 OK\r\n"
RUDE: dict[str, Behaviour] = {
    "hangs": hangs(),
    "hangs in the body": hangs(OK, "Content-Length: 9\r\n\r\n{"),
    "drips its head": repeats(OK, "X: ", "x", every=0.02),
    "drips its body": repeats(OK, "\r\n", " ", every=0.02),
    "says wait for ever": repeats("HTTP/1.1 103 Early Hints\r\n\r\n", every=0.001),
    "closes": says(),
    "resets": resets(),
    "resets in the body": resets(OK, "Content-Length: 9\r\n\r\n{"),
    "ends early": says(OK, "Content-Length: 9\r\n\r\n{}"),
    "sends a body without end": repeats(OK, "\r\n", " " * 100_000),
    "sends a head without end": repeats(OK, "X: y\r\n" * 1_000),
    "says nonsense": says("Welcome to my server\r\n"),
    "redirects": says("HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),
    "echoes the key": says(
        f"HTTP/1.1 500 {KEYS}\r\nX-Key: {KEYS}\r\nConnection: close\r\n\r\n{KEYS}"
    ),
    "echoes the key as nonsense": says(f"HTTP/1.1 {KEYS}\r\n{KEYS}\r\n\r\n"),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[RudeServer]:
    """A provider that behaves as each test says."""
    with RudeServer(hangs()) as server:
        yield server


@pytest.fixture(scope="module", params=[duffel.Duffel(), ignav.Ignav()], ids=["duffel", "ignav"])
def bridge(request: pytest.FixtureRequest, provider: RudeServer) -> Iterator[QuickBridge]:
    """A bridge with little time for a search, which calls that provider."""
    stand_in: StandIn = request.param
    environment = stand_in.environment(provider.url)
    with QuickBridge(SECONDS, stand_in.name, environment) as server:
        yield server


@pytest.fixture
def client(bridge: QuickBridge) -> Iterator[httpx2.Client]:
    """A client that has a token."""
    with plain_http.client(base_url=bridge.url, timeout=20) as http:
        form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "x"}
        token = http.post("/v1/security/oauth2/token", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def search(client: httpx2.Client) -> httpx2.Response:
    day = some_day(next(DAYS))
    return client.get(
        "/v2/shopping/flight-offers?originLocationCode=JFK&destinationLocationCode=LAX&adults=1"
        f"&departureDate={day}"
    )


def told(answer: httpx2.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["errors"][0]["code"]


@pytest.mark.parametrize("behave", RUDE.values(), ids=RUDE.keys())
def test_rude_provider_is_a_system_error_in_time_and_leaves_nothing_behind(
    provider: RudeServer,
    bridge: QuickBridge,
    client: httpx2.Client,
    behave: Behaviour,
    capfd: pytest.CaptureFixture[str],
) -> None:
    provider.behave = behave
    provider.heads.clear()
    began = time.monotonic()
    answer = search(client)

    assert told(answer) == (500, 141)
    assert time.monotonic() - began < SECONDS + 5
    assert len(provider.heads) == 1  # neither repeated nor redirected
    eventually(lambda: connections_of(bridge.process.pid, provider.port) == 0)
    eventually(lambda: bridge.greenlets() <= 2)  # the server's, and this connection's
    page = client.get("/").text
    shown = f"{answer.headers} {answer.text} {page} {capfd.readouterr()}"
    assert leaks(shown, KEYS) == []


@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("http://127.0.0.1:1", "connection refused"),
        ("https://127.0.0.1:{plain}", "no TLS ("),
        ("http://provider.invalid", "the name of the server is unknown"),
        ("http://127.0.0.1:{port}", "no answer in 1.0 s"),
    ],
)
def test_failed_call_is_one_line_for_the_operator(
    provider: RudeServer, url: str, failure: str, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.behave = hangs()
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "x"}
    with (
        ProviderServer(ignav.Ignav()) as other,
        QuickBridge(
            SECONDS,
            "ignav",
            other.stand_in.environment(
                url.format(port=provider.port, plain=other.url.rpartition(":")[2])
            ),
        ) as server,
        plain_http.client(base_url=server.url, timeout=20) as http,
    ):
        token = http.post("/v1/security/oauth2/token", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        assert told(search(http)) == (500, 141)
    (line,) = capfd.readouterr().err.splitlines()

    assert re.match(r"bridge: \d{4}-.{14}Z POST /api/fares/one-way: after \d\.\d s: ", line)
    assert failure in line
    assert leaks(line, KEYS) == []


def test_slow_provider_is_waited_for(provider: RudeServer, client: httpx2.Client) -> None:
    def behave(connection: Any, head: bytes) -> None:
        time.sleep(SECONDS / 10)
        data = "[]" if head.startswith(b"GET") else '{"id": "orq_1"}'
        content = f'{{"data": {data}, "itineraries": []}}'
        says(OK, "Connection: close\r\n\r\n", content)(connection, head)

    provider.behave = behave
    answer = search(client)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == []


def test_many_searches_of_a_silent_provider_end_together(
    provider: RudeServer, bridge: QuickBridge, client: httpx2.Client
) -> None:
    provider.behave = hangs()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: search(client), range(100)))
    assert {told(answer) for answer in answers} == {(500, 141)}
    assert time.monotonic() - began < 15
    eventually(lambda: connections_of(bridge.process.pid, provider.port) == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_bridge_ends_at_once_during_a_search(
    provider: RudeServer, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.behave = hangs()
    provider.heads.clear()
    environment = duffel.Duffel().environment(provider.url)
    with (
        QuickBridge(60, "duffel", environment) as server,
        plain_http.client(base_url=server.url, timeout=20) as http,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "x"}
        token = http.post("/v1/security/oauth2/token", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        searching = pool.submit(search, http)
        eventually(lambda: provider.heads)
        server.process.send_signal(number)
        assert server.process.wait(20) == 0
        assert isinstance(searching.exception(), httpx2.TransportError)
    assert "Traceback" not in capfd.readouterr().err
