"""Unsupported HTTP methods are answered like any other client error."""

from collections.abc import Iterator

import falcon
import pytest
from falcon.testing import TestClient

from api.app import create_app
from api.settings import Settings
from tests.support.metrics_page import value

SERVED = {"GET", "HEAD", "OPTIONS"}
REFUSED = [*(name for name in falcon.COMBINED_METHODS if name not in SERVED), "FOO", "WEBSOCKETS"]


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = create_app(Settings())
    yield TestClient(app)
    app.stop()


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # from wsgiref, in the test client
@pytest.mark.parametrize("method", REFUSED)
def test_unsupported_method_is_a_problem_with_request_id_counted_once(
    client: TestClient, method: str
) -> None:
    answer = client.simulate_request(method, "/flights/price")

    assert (answer.status_code, answer.json["code"]) in {
        (400, "invalid-request"),
        (405, "method-not-allowed"),
    }
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    name = "http_request_duration_seconds_count"
    label = method if method == "POST" else "other"  # POST /mcp is served
    assert value(client, name, route="/flights/price", method=label) == 1
