"""The bridge as a server of its own: Amadeus's SDK, the service, and the command line."""

import datetime as dt
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amadeus
import pytest

from tests.support.clients import plain_http
from tests.support.clients.sandbox_client import TOKEN as TOKEN_PATH
from tests.support.leaks import leaks
from tests.support.providers import duffel
from tests.support.providers.ignav import Ignav, itinerary
from tests.support.providers.two_offers import TWO_OFFERS
from tests.support.servers.bridge_server import BridgeServer, ProviderServer, run_bridge

DAY = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30))
SEARCH = {
    "originLocationCode": "JFK",
    "destinationLocationCode": "LAX",
    "departureDate": DAY,
    "adults": 1,
}
POSTED = {
    "originDestinations": [
        {
            "id": "1",
            "originLocationCode": "JFK",
            "destinationLocationCode": "LAX",
            "departureDateTimeRange": {"date": DAY},
        }
    ],
    "travelers": [{"id": "1", "travelerType": "ADULT"}],
    "sources": ["GDS"],
}

POST = f"POST {TOKEN_PATH} HTTP/1.1\r\n".encode()


@pytest.fixture(scope="module", params=TWO_OFFERS.values(), ids=list(TWO_OFFERS))
def provider(request: pytest.FixtureRequest) -> Iterator[ProviderServer[Any]]:
    """A stand-in for each provider, with two offers."""
    with ProviderServer(request.param()) as server:
        yield server


@pytest.fixture(scope="module")
def bridge(provider: ProviderServer[Any]) -> Iterator[BridgeServer]:
    """A bridge to the stand-in."""
    with BridgeServer(provider) as server:
        yield server


@pytest.fixture
def sdk(bridge: BridgeServer) -> Any:
    """Amadeus's own SDK for Python, pointed at the bridge."""
    return amadeus.Client(
        client_id="me", client_secret="secret", host="127.0.0.1", port=bridge.port, ssl=False
    )


def test_python_sdk_of_amadeus_gets_offers(sdk: Any) -> None:
    answer = sdk.shopping.flight_offers_search.get(**SEARCH)
    assert [one["price"]["grandTotal"] for one in answer.data] == ["189.40", "306.85"]
    posted = sdk.shopping.flight_offers_search.post(POSTED)
    assert posted.data == answer.data


def test_python_sdk_of_amadeus_gets_documented_errors(
    provider: ProviderServer[Any], sdk: Any
) -> None:
    provider.stand_in.fail("search", 401)
    with pytest.raises(amadeus.client.errors.AuthenticationError) as refused:
        sdk.shopping.flight_offers_search.get(**SEARCH)
    assert refused.value.response.result["errors"][0]["code"] == 39686


def test_city_is_searched_through_ignav() -> None:
    with ProviderServer(Ignav(itinerary(189.4))) as provider, BridgeServer(provider) as server:
        client = amadeus.Client(
            client_id="me", client_secret="secret", host="127.0.0.1", port=server.port, ssl=False
        )
        cities = {"originLocationCode": "NYC", "destinationLocationCode": "LON"}
        answer = client.shopping.flight_offers_search.get(**SEARCH | cities)
    assert len(provider.stand_in.searches) == 6
    assert {one["price"]["grandTotal"] for one in answer.data} == {"189.40"}


def test_page_shows_commands_to_try(provider: ProviderServer[Any], bridge: BridgeServer) -> None:
    page = plain_http.get(bridge.url)
    assert page.headers["content-type"].startswith("text/html")
    assert f"curl -s {bridge.url}/v1/security/oauth2/token" in page.text
    is_test_token = provider.stand_in.name == "duffel"
    assert ("flights and prices are invented" in page.text) is is_test_token
    assert leaks(page.text, provider.environment.values()) == []


def test_token_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("not a token\n")
    ended = run_bridge("--provider", "duffel", DUFFEL_ACCESS_TOKEN_FILE=str(file))
    assert "An access token of Duffel begins with" in ended.stderr
    assert "not a token" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        ((), {}, "DUFFEL_ACCESS_TOKEN is not set."),
        (("--provider", "ignav"), {}, "Set it or IGNAV_API_KEY_FILE in the environment; .env is"),
        (
            ("--provider", "ignav"),
            {"IGNAV_API_KEY": "two words"},
            "An API key of Ignav has only visible ASCII characters.",
        ),
        ((), {"DUFFEL_ACCESS_TOKEN": "sk_live_1"}, "An access token of Duffel begins with"),
        ((), {"DUFFEL_ACCESS_TOKEN_FILE": "/nowhere"}, "Cannot read the file"),
        (
            (),
            {"DUFFEL_ACCESS_TOKEN": duffel.TOKEN, "DUFFEL_BASE_URL": "duffel.example"},
            "DUFFEL_BASE_URL must be an http or https URL",
        ),
        (
            ("--host", "192.0.2.1"),
            {"DUFFEL_ACCESS_TOKEN": duffel.TOKEN},
            "--client-id and --client-secret are required",
        ),
        (
            (),
            {"DUFFEL_ACCESS_TOKEN": duffel.TOKEN, "DUFFEL_BASE_URL": "http://[::1"},
            "DUFFEL_BASE_URL must be an http or https URL",
        ),
    ],
)
def test_bridge_that_cannot_start_says_why_in_one_line(
    options: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    ended = run_bridge("--provider", "duffel", *options, **environment)
    assert ended.returncode == 2
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_certificate_that_cannot_be_used_is_a_wrong_option() -> None:
    ended = run_bridge("--provider", "duffel", "--certfile", "/nowhere.pem")
    assert ended.returncode == 2
    assert "cannot use the certificate" in ended.stderr.splitlines()[-1]


def test_credentials_of_the_environment_suffice_for_any_address() -> None:
    ended = run_bridge(
        "--provider", "duffel", "--host", "192.0.2.1",
        BRIDGE_CLIENT_ID="me", BRIDGE_CLIENT_SECRET="secret", DUFFEL_ACCESS_TOKEN=duffel.TOKEN,
    )  # fmt: skip
    assert "cannot listen on 192.0.2.1" in ended.stderr


def test_port_in_use_is_one_line(provider: ProviderServer[Any]) -> None:
    port = provider.url.rsplit(":", 1)[1]
    ended = run_bridge("--provider", provider.stand_in.name, "--port", port, **provider.environment)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr.splitlines()[-1]


def test_help_names_the_options_and_the_key() -> None:
    said = run_bridge("--help").stdout
    for word in ("--provider", "--client-id", "--certfile", "DUFFEL_ACCESS_TOKEN", "IGNAV_API_KEY"):
        assert word in said


def test_bridge_gives_tokens_for_its_credentials_only(provider: ProviderServer[Any]) -> None:
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "x"}
    with BridgeServer(provider, "--client-id", "me", "--client-secret", "x") as server:
        with plain_http.client(base_url=server.url) as http:
            refused = http.post(TOKEN_PATH, data=form | {"client_secret": "y"})
            assert refused.json()["code"] == 38187
            page = http.get("/").text
            assert "client_id=YOUR_CLIENT_ID -d client_secret=YOUR_CLIENT_SECRET" in page
            assert http.post(TOKEN_PATH, data=form).status_code == 200
        assert server.stop() == 0


def test_bridge_without_credentials_serves_names_of_this_machine_only(
    bridge: BridgeServer,
) -> None:
    with plain_http.client(base_url=bridge.url) as http:
        rebound = http.get("/", headers={"Host": f"evil.example:{bridge.port}"})
    assert (rebound.status_code, rebound.json()["errors"][0]["code"]) == (403, 38197)


# What a client may send, and how the answer begins: the connection stays usable or is closed.
HOSTILE = {
    "no HTTP": (b"hello\r\n\r\n", b"HTTP/1.1 400"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HTTP/1.1 400"),
    "long URL": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 414"),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 2_000 + b"\r\n", b"HTTP/1.1 400"),
    "wrong length": (POST + b"Content-Length: -5\r\n\r\n", b"HTTP/1.1 400"),
    "wrong chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400"),
    "odd token": (
        b"GET /v2/shopping/flight-offers HTTP/1.1\r\nAuthorization: Bearer \xff\r\n\r\n",
        b"HTTP/1.1 401",
    ),
    "unknown method": (b"BREW / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
}


@pytest.mark.parametrize(("sent", "answered"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_request_is_refused_and_not_logged(
    bridge: BridgeServer, sent: bytes, answered: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), 20) as raw:
        raw.sendall(sent)
        assert raw.recv(12) == answered
    assert plain_http.get(bridge.url).status_code == 200
    assert capfd.readouterr().err == ""


def test_client_that_leaves_during_its_body_is_not_logged(
    bridge: BridgeServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), 20) as raw:
        raw.sendall(POST + b"Content-Length: 50\r\n\r\ngrant_type=")
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(12) == b"HTTP/1.1 400"
    assert capfd.readouterr().err == ""


def test_connection_serves_many_requests(bridge: BridgeServer) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), 20) as raw:
        for path, status in (("/", b"200"), ("/nowhere", b"404"), ("/", b"200")):
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            assert str(answer.status).encode() == status
            answer.read()
