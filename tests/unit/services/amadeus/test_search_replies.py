"""What the SDK, and so the service, gets of a successful reply to a search."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from falcon.testing import Result, TestClient
from structlog.testing import capture_logs

from api.app import create_app
from api.settings import Settings
from tests.support.servers.service import some_day


def offer(amount: str, currency: str) -> dict[str, Any]:
    return {"price": {"grandTotal": amount, "currency": currency}}


@pytest.fixture
def data() -> list[dict[str, Any]]:
    """The offers that Amadeus answers."""
    return [offer("90.00", "USD"), offer("100.00", "EUR"), offer("95.00", "EUR")]


@pytest.fixture
def client(data: list[dict[str, Any]]) -> Iterator[TestClient]:
    def amadeus(environ: Any, start_response: Any) -> list[bytes]:
        is_token = environ["REQUEST_METHOD"] == "POST"
        document = {"access_token": "a-token", "expires_in": 1799} if is_token else {"data": data}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(document).encode()]

    app = create_app(Settings(), transport=httpx2.WSGITransport(app=amadeus))
    yield TestClient(app)
    app.stop()


def price(client: TestClient, **parameters: str) -> Result:
    query = {"origin": "JFK", "destination": "LAX", "date": some_day(), **parameters}
    return client.simulate_get("/flights/price", params=query)


def test_cheapest_offer_in_the_requested_currency_reaches_the_client(client: TestClient) -> None:
    assert price(client, currency="EUR").json["data"]["price"] == "95 EUR"


def test_currency_of_the_first_offer_counts_if_none_is_in_the_requested(client: TestClient) -> None:
    assert price(client, currency="GBP").json["data"]["price"] == "90 USD"


def test_cheapest_offer_that_is_nested_too_deeply_is_a_bad_answer(
    client: TestClient, data: list[dict[str, Any]]
) -> None:
    depth = 300
    data[:] = [offer("1.00", "EUR") | {"deep": json.loads("[" * depth + "]" * depth)}]

    with capture_logs() as lines:
        assert price(client).json["code"] == "amadeus-bad-answer"

    (call,) = (line for line in lines if "error" in line)
    assert (call["status"], call["error"].partition(":")[0]) == (200, "amadeus-bad-answer")
