"""The bridge as a server of its own: Amadeus's SDK, the service, and the command line."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amadeus
import httpx2
import pytest

from tests.support.providers import duffel
from tests.support.providers.duffel import Duffel, errors, offer
from tests.support.providers.ignav import Ignav, itinerary
from tests.support.servers.bridge_server import BridgeServer, ProviderServer, run_bridge
from tests.support.servers.service import Service

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


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer[Duffel]]:
    """A stand-in for Duffel."""
    with ProviderServer(Duffel(offer("306.85"), offer("189.40"))) as server:
        yield server


@pytest.fixture(scope="module")
def bridge(provider: ProviderServer[Duffel]) -> Iterator[BridgeServer]:
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
    provider: ProviderServer[Duffel], sdk: Any
) -> None:
    provider.stand_in.fail("search", 401, errors(401, "authentication_error"))
    with pytest.raises(amadeus.client.errors.AuthenticationError) as refused:
        sdk.shopping.flight_offers_search.get(**SEARCH)
    assert refused.value.response.result["errors"][0]["code"] == 39686


def test_service_gets_its_prices_from_the_bridge(bridge: BridgeServer) -> None:
    settings = {
        "amadeus_base_url": bridge.url,
        "amadeus_client_id": "me",
        "amadeus_client_secret": "secret",
    }
    query = {"origin": "JFK", "destination": "LAX", "date": DAY}
    with Service(**settings) as service:
        answer = service.http.get("/flights/price", params=query)
    assert answer.json()["data"]["price"] == "189.40 GBP"
    assert answer.headers["X-Amadeus-Environment"] == "custom"


def test_city_is_searched_through_ignav() -> None:
    with ProviderServer(Ignav(itinerary(189.4))) as provider, BridgeServer(provider) as server:
        client = amadeus.Client(
            client_id="me", client_secret="secret", host="127.0.0.1", port=server.port, ssl=False
        )
        cities = {"originLocationCode": "NYC", "destinationLocationCode": "LON"}
        answer = client.shopping.flight_offers_search.get(**SEARCH | cities)
    assert len(provider.stand_in.searches) == 6
    assert {one["price"]["grandTotal"] for one in answer.data} == {"189.40"}


def test_page_shows_commands_to_try(bridge: BridgeServer) -> None:
    page = httpx2.get(bridge.url, trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    assert f"curl -s {bridge.url}/v1/security/oauth2/token" in page.text
    assert "flights and prices are invented" in page.text
    assert duffel.TOKEN not in page.text


def test_token_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("not a token\n")
    ended = run_bridge("--provider", "duffel", DUFFEL_ACCESS_TOKEN_FILE=str(file))
    assert "An access token of Duffel begins with" in ended.stderr
    assert "not a token" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        ((), {}, "Set DUFFEL_ACCESS_TOKEN or DUFFEL_ACCESS_TOKEN_FILE."),
        (("--provider", "ignav"), {}, "Set IGNAV_API_KEY or IGNAV_API_KEY_FILE."),
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
            "DUFFEL_BASE_URL must begin with",
        ),
        (
            ("--host", "192.0.2.1"),
            {"DUFFEL_ACCESS_TOKEN": duffel.TOKEN},
            "--client-id and --client-secret are required",
        ),
        (("--certfile", "/nowhere.pem"), {}, "cannot use the certificate"),
    ],
)
def test_bridge_that_cannot_start_says_why_in_one_line(
    options: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    ended = run_bridge("--provider", "duffel", *options, **environment)
    assert ended.returncode == 2
    assert reason in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_credentials_of_the_environment_suffice_for_any_address() -> None:
    ended = run_bridge(
        "--provider", "duffel", "--host", "192.0.2.1",
        BRIDGE_CLIENT_ID="me", BRIDGE_CLIENT_SECRET="secret", DUFFEL_ACCESS_TOKEN=duffel.TOKEN,
    )  # fmt: skip
    assert "cannot listen on 192.0.2.1" in ended.stderr


def test_help_names_the_options_and_the_key() -> None:
    said = run_bridge("--help").stdout
    for word in ("--provider", "--client-id", "--certfile", "DUFFEL_ACCESS_TOKEN", "IGNAV_API_KEY"):
        assert word in said


def test_bridge_ends_at_sigterm_and_never_shows_its_token(provider: ProviderServer[Duffel]) -> None:
    with BridgeServer(provider, "--client-id", "me", "--client-secret", "x") as server:
        refused = httpx2.post(
            f"{server.url}/v1/security/oauth2/token",
            data={"grant_type": "client_credentials", "client_id": "me", "client_secret": "y"},
            trust_env=False,
        )
        assert refused.json()["code"] == 38187
        assert server.stop() == 0
