"""An answer that Duffel recorded goes through the whole chain: bridge, Amadeus's SDK, service.

`make contract PROVIDERS=<folder>` runs this. The file is from Duffel's own Ruby SDK.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from falcon.testing import TestClient

from api.app import create_app
from api.settings import Settings
from bridge.app import create_app as create_bridge
from bridge.duffel import Duffel
from tests.contract.answers import violations
from tests.support.clients.bridge_client import Bridge
from tests.support.processes import eventually
from tests.support.providers import duffel
from tests.support.servers.service import some_day

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def offers() -> list[dict[str, Any]]:
    """The 68 offers of the recorded answer, in its order."""
    folder = os.environ.get("PROVIDERS")
    assert folder, "The recorded answers are needed: make contract PROVIDERS=<folder>"
    file = Path(folder) / "duffel" / "offer_request_with_68_offers.json"
    recorded: list[dict[str, Any]] = json.loads(file.read_text())["data"]["offers"]
    assert len(recorded) == 68
    return recorded


@pytest.fixture
def service(offers: list[dict[str, Any]]) -> Iterator[TestClient]:
    """The service, with a bridge as its Amadeus."""
    source = Duffel(duffel.TOKEN, duffel.Duffel(*offers).connections)
    settings = Settings(
        amadeus_base_url="http://bridge",
        amadeus_client_id="any",
        amadeus_client_secret="any",
    )
    transport = httpx2.WSGITransport(app=create_bridge(source, "secret"))
    app = create_app(settings, transport=transport)
    app.warm_up()
    client = TestClient(app)
    eventually(lambda: client.simulate_get("/readyz").status_code == httpx2.codes.OK)
    yield client
    app.stop()


def test_service_finds_the_cheapest_of_the_recorded_offers(service: TestClient) -> None:
    query = {"origin": "SYD", "destination": "MEL", "date": some_day()}
    price = service.simulate_get("/flights/price", params=query)
    assert price.json["data"]["price"] == "79.62 GBP"
    shown = service.simulate_get("/flights/offer", params=query).json["data"]
    assert shown["price"] == "79.62 GBP"
    assert shown["airline"] == {"code": "QF", "name": "Qantas"}
    flown = shown["itineraries"][0]["segments"][0]
    assert (flown["flight"], flown["from"], flown["to"]) == ("QF495", "SYD", "MEL")


def test_recorded_offers_match_our_schema_and_the_official_one(
    offers: list[dict[str, Any]],
) -> None:
    answer = Bridge(*offers).search(
        originLocationCode="SYD", destinationLocationCode="MEL", max=None
    )
    assert answer.json()["meta"]["count"] == 68
    assert violations("bridged search", answer) == []
