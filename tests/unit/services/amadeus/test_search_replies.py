"""What the SDK, and so the service, gets of a successful reply to a search."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from falcon.testing import Result, TestClient

from api.app import create_app
from api.errors import AmadeusBadAnswer
from api.services.amadeus.replies import Reply
from api.services.amadeus.upstream_client import _with_cheapest_offers
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


def test_depth_of_what_is_not_read_does_not_cost_the_price(
    client: TestClient, data: list[dict[str, Any]]
) -> None:
    depth = 300
    data[:] = [offer("1.00", "EUR") | {"deep": json.loads("[" * depth + "]" * depth)}]

    assert price(client).json["data"]["price"] == "1 EUR"


def test_answer_that_is_nested_too_deeply_is_a_bad_answer() -> None:
    depth = 100_000  # how much is too much depends on the version of Python
    answer = b'{"data": [{"deep": %s}]}' % (b"[" * depth + b"]" * depth)

    with pytest.raises(AmadeusBadAnswer, match="not a JSON object"):
        Reply(200, "application/json", answer).search_result()


@pytest.mark.parametrize(
    "part", [b"\xff", b"\\ud800", b"\x01", b"\\x", b'", NaN, "', b'", 01, "', b'"', b'", ,"']
)
def test_offer_that_is_not_read_must_be_json_too(part: bytes) -> None:
    answer = b'{"data": [{"price": {}}, {"other": ["%s"]}]}' % part

    with pytest.raises(AmadeusBadAnswer, match="not a JSON object"):
        Reply(200, "application/json", answer).search_result()


def test_only_the_cheapest_offers_are_passed_on_byte_by_byte() -> None:
    dear, cheap = (
        b'{"price":{"grandTotal":"2","currency":"EUR"}}',
        (b'{"price": {"grandTotal": "1.00", "currency": "EUR", "more": [1.10, "\\u00e9", null]}}'),
    )
    answer = b'{"meta": {}, "data": [%s, %s], "dictionaries": {"a": 1.0}}' % (dear, cheap)

    passed_on = _with_cheapest_offers(Reply(200, "application/json", answer)).body

    assert passed_on == b'{"data":[%s],"dictionaries":{"a": 1.0}}' % cheap
