"""Who may ask what, and how often: keys, allowances and proxies, against real workers."""

import base64
import re
import time
from collections.abc import Iterator
from functools import partial
from itertools import count

import httpx2
import pytest

from tests import plain_http
from tests.processes import eventually, free_port
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day
from tests.wire import Wire, statuses

OLD, NEW = "the-old-key-of-the-client", "the-new-key-of-the-client"
OPERATOR = "the-key-of-the-operator"
PRICE = f"/flights/price?origin=JFK&destination=LAX&date={some_day()}"
_numbers = count(2)


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    """A service that asks for keys."""
    with Service(api_keys=f"{OLD},{NEW}", operator_keys=OPERATOR) as service:
        yield service


@pytest.fixture(scope="module")
def limited(shared_redis: RedisServer) -> Iterator[Service]:
    """A service that counts what a client asks."""
    limits = {"client_rate_limit": 3, "nocache_rate_limit": 1, "web_concurrency": 1}
    with Service(operator_keys=OPERATOR, redis_url=shared_redis.url, **limits) as service:
        yield service


@pytest.fixture
def client(limited: Service) -> Iterator[httpx2.Client]:
    """One with an address of its own, who has not asked yet."""
    address = httpx2.HTTPTransport(verify=False, local_address=f"127.0.0.{next(_numbers)}")
    with plain_http.client(base_url=limited.url, transport=address) as client:
        yield client


@pytest.fixture(scope="module")
def proxied() -> Iterator[Service]:
    """A service that trusts a proxy, and gives each client one request."""
    with Service(client_rate_limit=1, forwarded_allow_ips="127.0.0.0/8") as service:
        yield service


def ask(service: Service, path: str = PRICE, **headers: str) -> httpx2.Response:
    """GET a path, the price of a flight unless told otherwise, with these headers."""
    return service.http.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


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
def test_whoever_brings_a_key_gets_prices(keyed: Service, headers: dict[str, str]) -> None:
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
def test_whoever_brings_none_is_told_how_to(keyed: Service, headers: dict[str, str]) -> None:
    answer = keyed.http.get(
        "/flights/price",
        headers={name.encode(): value.encode("latin-1") for name, value in headers.items()},
    )

    assert refusal(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="flight-price-api"'
    assert OLD[:-1] not in answer.text


@pytest.mark.parametrize("path", ["/flights/ping", "/healthz", "/readyz", "/version"])
def test_probes_need_no_key(keyed: Service, path: str) -> None:
    assert ask(keyed, path).status_code == 200


def test_only_what_tells_nothing_of_the_service_is_open(keyed: Service) -> None:
    paths = ask(keyed, "/openapi.json").json()["paths"]

    closed = {path for path in paths if ask(keyed, path).status_code == 401}

    assert closed == {"/flights/price", "/metrics", "/status", "/status.json"}


def test_metrics_need_the_operators_key(keyed: Service) -> None:
    assert refusal(ask(keyed, "/metrics")) == (401, "unauthorized")
    assert ask(keyed, "/metrics", X_API_Key=OPERATOR).status_code == 200
    assert ask(keyed, "/metrics", Authorization=basic(OPERATOR)).status_code == 200


def test_a_browser_is_asked_for_the_operators_key(keyed: Service) -> None:
    assert "Basic realm=" in ask(keyed, "/metrics").headers["www-authenticate"]


def test_a_key_opens_one_side_only(keyed: Service) -> None:
    assert refusal(ask(keyed, "/metrics", X_API_Key=OLD)) == (403, "forbidden")
    assert refusal(ask(keyed, X_API_Key=OPERATOR)) == (403, "forbidden")


SPELLINGS = [
    "/flights/price/", "//flights/price", "/%66lights/price", "/flights/pric%65",
    "/flights%2Fprice", "/flights/price%2f", "http://x/flights/price",
    "//metrics", "/metrics/", "/%6detrics", "/metrics%2f", "/%73tatus.json",
]  # fmt: skip
NOT_FOUND = [
    "/flights/./price", "/flights/ping/../price", "/flights/ping/%2e%2e/price",
    "/flights//price", "/FLIGHTS/PRICE", "/flights/price;x", "/flights/price%00", "/%256detrics",
]  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS + NOT_FOUND)
def test_no_other_spelling_of_the_path_leads_past_the_gate(keyed: Service, path: str) -> None:
    with Wire(keyed) as wire:  # byte by byte: a client library would spell the path in its own way
        received = wire.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert statuses(received) == [401 if path in SPELLINGS else 404]


def test_an_answer_that_needed_a_key_is_for_its_client_alone(keyed: Service) -> None:
    cached = ask(keyed, X_API_Key=OLD).headers["cache-control"]

    assert cached == "private, max-age=600"


def test_refusals_are_logged_with_a_name_for_the_client_and_never_the_key(keyed: Service) -> None:
    ask(keyed, X_API_Key="not-a-key-of-anybody")

    line = eventually(lambda: keyed.log("client.refused", code="unauthorized"))[-1]
    assert line["client"] == "127.0.0.1"
    assert not re.search(f"{OLD}|{NEW}|{OPERATOR}|not-a-key", keyed.log_text)


def test_without_any_setting_nobody_is_asked_or_counted() -> None:
    with Service() as service:
        answer = ask(service)

        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]
        assert answer.headers["cache-control"] == "max-age=600"


def test_who_asks_too_fast_is_told_when_to_come_back(client: httpx2.Client) -> None:
    began = time.monotonic()
    answers = [client.get(PRICE) for _ in range(4)]
    passed = time.monotonic() - began

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refusal(answers[-1]) == (429, "too-many-requests")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"client";q=3;w=60'}
    told = [re.fullmatch('"client";r=(.);t=(..)', one.headers["ratelimit"]) for one in answers]
    assert [one and one[1] for one in told] == ["2", "1", "0", "0"]
    for one, seconds in zip(told, (20, 40, 60, 60), strict=True):
        assert one
        assert seconds - passed <= int(one[2]) <= seconds


def test_nocache_has_a_stricter_allowance(client: httpx2.Client) -> None:
    answers = [client.get(f"{PRICE}&nocache={value}") for value in ("1", "True", "0")]

    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].headers["ratelimit-policy"] == '"client";q=3;w=60, "nocache";q=1;w=60'
    assert answers[1].json()["detail"] == "Rate limit exceeded: 1 request with nocache per minute."
    assert answers[2].headers["ratelimit"].startswith('"client";r=0;')


def test_an_allowance_holds_for_all_workers_of_all_replicas(redis_server: RedisServer) -> None:
    settings = {"client_rate_limit": 20, "redis_url": redis_server.url, "web_concurrency": 2}
    with Service(**settings) as one, Service(**settings) as other:
        began = time.monotonic()
        # A connection each, so that all workers take part.
        statuses = [
            plain_http.get(f"{service.url}/flights/price").status_code
            for _ in range(20)
            for service in (one, other)
        ]

        turns_back = int((time.monotonic() - began) / 3) + 1
    assert 20 <= statuses.count(400) <= 20 + turns_back
    assert statuses.count(429) == 40 - statuses.count(400)


def test_every_count_in_redis_expires(redis_server: RedisServer, client: httpx2.Client) -> None:
    client.get(PRICE)

    (key,) = redis_server.client.keys("*limit|client*")
    assert 0 < redis_server.client.pttl(key) <= 61_000


def test_without_redis_each_replica_gives_the_whole_allowance_and_pace(
    sandbox: SandboxServer,
) -> None:
    no_redis = f"redis://127.0.0.1:{free_port()}/0"
    settings = {"client_rate_limit": 2, "amadeus_rate_limit": 0.01, "web_concurrency": 1}
    replica = partial(Service.on, sandbox, redis_url=no_redis, **settings)
    with replica() as one, replica() as other:
        statuses = {
            service: [service.price(date=some_day(ahead)).status_code for ahead in (1, 2, 3)]
            for service in (one, other)
        }

    # A price, the pace, the allowance. Two replicas that share a Redis would give one price.
    assert statuses == {one: [200, 503, 429], other: [200, 503, 429]}


def test_each_key_has_its_own_allowance_and_strangers_have_their_address() -> None:
    with Service(api_keys=f"{OLD},{NEW}", client_rate_limit=1) as service:
        statuses = [
            ask(service, X_API_Key=key).status_code
            for key in (OLD, OLD, NEW, "not-a-key-of-anybody", "another-wrong-key")
        ]

    assert statuses == [200, 429, 200, 401, 429]


def test_guesses_at_the_operators_key_count_and_its_holder_does_not(client: httpx2.Client) -> None:
    def statuses(*keys: str) -> list[int]:
        return [client.get("/metrics", headers={"X-API-Key": key}).status_code for key in keys]

    assert statuses(*(f"guess-number-{n}" for n in range(5))) == [401, 401, 401, 429, 429]
    assert statuses(*[OPERATOR] * 5) == [200] * 5


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP"])
def test_a_forged_x_forwarded_for_changes_nothing(client: httpx2.Client, name: str) -> None:
    statuses = [
        client.get("/flights/price", headers={name: f"203.0.113.{number}"}).status_code
        for number in range(4)
    ]

    assert statuses == [400, 400, 400, 429]


def test_behind_a_trusted_proxy_each_client_has_its_own_allowance(proxied: Service) -> None:
    statuses = [
        ask(proxied, X_Forwarded_For=addresses).status_code
        for addresses in (
            "203.0.113.1",
            "203.0.113.2",
            "198.51.100.7, 203.0.113.2",  # what the client itself wrote stands on the left
            "203.0.113.1, 127.0.0.9",
        )
    ]

    assert statuses == [200, 200, 429, 429]


def test_two_headers_of_forwarded_addresses_are_read_as_one_list(proxied: Service) -> None:
    twice = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "203.0.113.3")]
    statuses = [
        proxied.http.get("/flights/price", headers=headers).status_code
        for headers in (twice, {"X-Forwarded-For": "203.0.113.3"})
    ]

    assert statuses == [400, 429]


def test_a_browser_may_ask_for_the_options_without_a_key(keyed: Service) -> None:
    assert keyed.http.options("/flights/price").status_code == 200


def test_what_names_no_lifetime_gets_none_with_a_key(keyed: Service) -> None:
    answer = keyed.http.request("OPTIONS", "/flights/price")

    assert answer.status_code == 200
    assert "Cache-Control" not in answer.headers
