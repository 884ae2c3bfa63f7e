"""The gate protects resources by their audience."""

from contextlib import suppress

import falcon
import pytest
from falcon.testing import TestClient

from api.access.allowance import allowance_of
from api.access.api_keys import Keys
from api.access.audience import Audience
from api.access.client_address import Proxies
from api.access.gate import Gate, Rules
from api.access.rate_limit import ClientRateLimit
from api.errors import TooManyRequests
from api.http.error_handlers import add_error_handlers
from api.http.request_context import RequestContext
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics

CLIENT_KEY, OPERATOR_KEY = "the-key-of-a-client", "the-key-of-an-operator"


class SilentResource:
    """A new resource that declares no audience."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"data": "secret"}


class CostlyResource(SilentResource):
    """A resource whose request may count several times."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        allowance, served = allowance_of(req), 0
        with suppress(TooManyRequests):
            while served < req.get_param_as_int("parts", required=True):
                allowance.consume_request()
                served += 1
        resp.media = {"data": served}


class OpenResource(SilentResource):
    audience = Audience.ANYBODY


class OperatorResource(SilentResource):
    audience = Audience.OPERATORS


def client_of(*, keys: bool, per_minute: int | None = None) -> TestClient:
    metrics = Metrics()
    store = MemoryStore(metrics)
    rate_limit = ClientRateLimit(store, "client", per_minute, 1) if per_minute else None
    client_keys = Keys.parse(CLIENT_KEY) if keys else Keys()
    rules = Rules(client_keys, Keys.parse(OPERATOR_KEY), rate_limit, None, Proxies())
    app = falcon.App(middleware=[RequestContext(metrics)])
    app.add_middleware(Gate(rules))
    add_error_handlers(app, metrics)
    app.add_route("/new", SilentResource())
    app.add_route("/costly", CostlyResource())
    app.add_route("/open", OpenResource())
    app.add_route("/operator", OperatorResource())
    return TestClient(app)


def test_resource_without_an_audience_needs_a_client_key() -> None:
    client = client_of(keys=True)

    assert client.simulate_get("/new").status_code == 401
    assert client.simulate_get("/new", headers={"X-API-Key": OPERATOR_KEY}).status_code == 403
    answer = client.simulate_get("/new", headers={"X-API-Key": CLIENT_KEY})
    assert (answer.status_code, answer.json) == (200, {"data": "secret"})


def test_resource_without_an_audience_counts_against_the_client_limit() -> None:
    client = client_of(keys=False, per_minute=1)
    statuses = [client.simulate_get("/new").status_code for _ in range(2)]

    assert statuses == [200, 429]


def test_request_can_count_several_times_and_states_what_is_left() -> None:
    client = client_of(keys=False, per_minute=10)

    few, many = (client.simulate_get(f"/costly?parts={parts}") for parts in (3, 30))

    assert (few.json, many.json) == ({"data": 3}, {"data": 5})
    assert few.headers["RateLimit-Policy"] == '"client";q=10;w=60'
    assert few.headers["RateLimit"].startswith('"client";r=6;')
    assert many.headers["RateLimit"].startswith('"client";r=0;')


def test_request_without_a_limit_counts_nothing() -> None:
    answer = client_of(keys=True).simulate_get(
        "/costly?parts=30", headers={"X-API-Key": CLIENT_KEY}
    )

    assert answer.json == {"data": 30}
    assert "RateLimit" not in answer.headers


def test_open_resource_needs_no_key_and_is_not_counted() -> None:
    client = client_of(keys=True, per_minute=1)

    assert [client.simulate_get("/open").status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("key", "status"), [("", 401), (CLIENT_KEY, 403), (OPERATOR_KEY, 200)])
def test_operator_resource_accepts_operator_keys_only(key: str, status: int) -> None:
    headers = {"X-API-Key": key} if key else {}

    assert client_of(keys=True).simulate_get("/operator", headers=headers).status_code == status
