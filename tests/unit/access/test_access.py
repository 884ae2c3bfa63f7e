"""Keys, rate limits and trusted proxies."""

import base64
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from falcon.testing import Result

from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

OLD, NEW = "the-old-key-of-the-client", "the-new-key-of-the-client"
OPERATOR = "the-key-of-the-operator"
PRICE = f"/flights/price?origin=JFK&destination=LAX&date={some_day()}"
_numbers = count(2)


@pytest.fixture(scope="module")
def keyed() -> Iterator[LocalService]:
    """A service that requires keys."""
    with LocalService(api_keys=f"{OLD},{NEW}", operator_keys=OPERATOR) as service:
        yield service


class Clock:
    """A clock that only a test advances."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def limited(clock: Clock) -> Iterator[LocalService]:
    """A service with rate limits."""
    limits: dict[str, Any] = {"client_rate_limit": 3, "nocache_rate_limit": 1, "web_concurrency": 1}
    # A clock that stands still makes Retry-After exact.
    store = MemoryStore(Metrics(), clock=clock)
    with LocalService(store=store, operator_keys=OPERATOR, **limits) as service:
        yield service


class Client:
    """A client with a new address, which has made no request yet."""

    def __init__(self, service: LocalService) -> None:
        self._service = service
        self._address = f"127.0.0.{next(_numbers)}"

    def get(self, path: str, headers: dict[str, str] | None = None) -> Result:
        """GET a path from this client's address."""
        return self._service.client.simulate_get(path, headers=headers, remote_addr=self._address)


@pytest.fixture
def client(limited: LocalService) -> Client:
    return Client(limited)


@pytest.fixture(scope="module")
def proxied() -> Iterator[LocalService]:
    """A service that trusts a proxy and allows each client one request."""
    with LocalService(client_rate_limit=1, forwarded_allow_ips="127.0.0.0/8") as service:
        yield service


def ask(service: LocalService, path: str = PRICE, **headers: str) -> Result:
    """GET a path with these headers; the default is the price of a flight."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.client.simulate_get(path, headers=named)


def refusal(answer: Result) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json["code"]


def basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'anybody:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {OLD}"},
        {"Authorization": f"bearer {NEW}"},
        {"X-API-Key": NEW},
        {"Authorization": basic(OLD)},
    ],
    ids=["bearer", "another key", "X-API-Key", "basic"],
)
def test_valid_key_gets_prices(keyed: LocalService, headers: dict[str, str]) -> None:
    assert ask(keyed, **headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "not-a-key-of-anybody"},
        {"Authorization": OLD},
        {"Authorization": f"Bearer {OLD[:-1]}"},
        {"Authorization": f"Digest {OLD}"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /////w=="},
        {"X-API-Key": "ÿ" * 20},
    ],
    ids=str,
)
def test_missing_key_is_explained(keyed: LocalService, headers: dict[str, str]) -> None:
    answer = keyed.get("/flights/price", headers)

    assert refusal(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="flight-price-api"'
    assert OLD[:-1] not in answer.text


@pytest.mark.parametrize("path", ["/flights/ping", "/healthz", "/readyz", "/version"])
def test_probes_need_no_key(keyed: LocalService, path: str) -> None:
    assert ask(keyed, path).status_code == 200


def test_only_prices_metrics_and_status_need_a_key(keyed: LocalService) -> None:
    paths = ask(keyed, "/openapi.json").json["paths"]

    closed = {path for path in paths if ask(keyed, path).status_code == 401}

    prices = {"/flights/price", "/flights/offer", "/flights/calendar"}
    assert closed == prices | {"/metrics", "/status", "/status.json"}


def test_metrics_need_an_operator_key(keyed: LocalService) -> None:
    assert refusal(ask(keyed, "/metrics")) == (401, "unauthorized")
    assert ask(keyed, "/metrics", X_API_Key=OPERATOR).status_code == 200
    assert ask(keyed, "/metrics", Authorization=basic(OPERATOR)).status_code == 200


def test_browser_is_asked_for_an_operator_key(keyed: LocalService) -> None:
    assert "Basic realm=" in ask(keyed, "/metrics").headers["www-authenticate"]


def test_client_key_and_operator_key_are_not_interchangeable(keyed: LocalService) -> None:
    assert refusal(ask(keyed, "/metrics", X_API_Key=OLD)) == (403, "forbidden")
    assert refusal(ask(keyed, X_API_Key=OPERATOR)) == (403, "forbidden")


def test_response_that_required_a_key_is_private(keyed: LocalService) -> None:
    cached = ask(keyed, X_API_Key=OLD).headers["cache-control"]

    assert cached == "private, max-age=600"


def test_default_settings_require_no_key_and_set_no_rate_limit() -> None:
    with LocalService() as service:
        answer = ask(service)

        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]
        assert answer.headers["cache-control"] == "max-age=600"


def test_client_over_its_rate_limit_is_told_when_to_retry(client: Client) -> None:
    answers = [client.get(PRICE) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refusal(answers[-1]) == (429, "too-many-requests")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"client";q=3;w=60'}
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"client";r=2;t=20', '"client";r=1;t=40', '"client";r=0;t=60', '"client";r=0;t=60',
    ]  # fmt: skip


def test_nocache_requests_have_a_stricter_rate_limit(client: Client) -> None:
    answers = [client.get(f"{PRICE}&nocache={value}") for value in ("1", "True", "0")]

    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].headers["ratelimit-policy"] == '"client";q=3;w=60, "nocache";q=1;w=60'
    assert answers[1].json["detail"] == (
        "Rate limit exceeded: 1 request with nocache or a small max_age per minute."
    )
    assert answers[2].headers["ratelimit"].startswith('"client";r=0;')


def test_small_max_age_counts_like_nocache_if_it_causes_a_fetch(
    limited: LocalService, client: Client, clock: Clock
) -> None:
    Client(limited).get(f"{PRICE}&nocache=1")
    clock.now += 30
    answers = [client.get(f"{PRICE}&max_age={age}") for age in ("30", "29", "29")]

    assert [answer.headers["x-cache"] for answer in answers] == ["hit", "bypass", "hit"]
    assert answers[0].headers["ratelimit-policy"] == '"client";q=3;w=60'
    assert answers[1].headers["ratelimit-policy"] == '"client";q=3;w=60, "nocache";q=1;w=60'
    assert answers[1].headers["ratelimit"].endswith(', "nocache";r=0;t=60')


def test_client_that_may_bypass_no_more_still_gets_cached_prices(
    client: Client, clock: Clock
) -> None:
    client.get(f"{PRICE}&max_age=0")
    clock.now += 10
    answers = [client.get(f"{PRICE}&max_age={age}") for age in ("9", "10")]

    assert [answer.status_code for answer in answers] == [429, 200]


def test_malformed_request_with_nocache_counts_as_an_ordinary_one(client: Client) -> None:
    answers = [client.get(f"{PRICE}&nocache=1{more}") for more in ("&adults=0", "")]

    assert [answer.status_code for answer in answers] == [400, 200]


def test_rate_limits_count_per_key_or_else_per_address() -> None:
    with LocalService(api_keys=f"{OLD},{NEW}", client_rate_limit=1) as service:
        statuses = [
            ask(service, X_API_Key=key).status_code
            for key in (OLD, OLD, NEW, "not-a-key-of-anybody", "another-wrong-key")
        ]

    assert statuses == [200, 429, 200, 401, 429]


def test_wrong_operator_keys_are_rate_limited_and_right_ones_are_not(client: Client) -> None:
    def statuses(*keys: str) -> list[int]:
        return [client.get("/metrics", headers={"X-API-Key": key}).status_code for key in keys]

    assert statuses(*(f"guess-number-{n}" for n in range(5))) == [401, 401, 401, 429, 429]
    assert statuses(*[OPERATOR] * 5) == [200] * 5


def test_clients_behind_a_trusted_proxy_have_separate_rate_limits(proxied: LocalService) -> None:
    statuses = [
        ask(proxied, X_Forwarded_For=addresses).status_code
        for addresses in (
            "203.0.113.1",
            "203.0.113.2",
            "198.51.100.7, 203.0.113.2",  # the leftmost address was written by the client itself
            "203.0.113.1, 127.0.0.9",
        )
    ]

    assert statuses == [200, 200, 429, 429]


def test_cors_preflight_needs_no_key(keyed: LocalService) -> None:
    assert keyed.client.simulate_options("/flights/price").status_code == 200


def test_options_response_with_a_key_has_no_cache_control(keyed: LocalService) -> None:
    answer = keyed.client.simulate_options("/flights/price")

    assert answer.status_code == 200
    assert "Cache-Control" not in answer.headers
