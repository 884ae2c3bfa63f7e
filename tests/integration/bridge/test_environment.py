"""The bridge in the service's process: real workers, Redis, and a provider over sockets."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from tests.support.leaks import leaks
from tests.support.metrics_page import value
from tests.support.processes import connections_of, eventually
from tests.support.providers.ignav import Ignav
from tests.support.providers.stand_in import StandIn
from tests.support.providers.two_offers import TWO_OFFERS
from tests.support.servers.bridge_server import BridgeServer, ProviderServer
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import Service, some_day

ROUTE = {"origin": "JFK", "destination": "LAX"}
DAY = {**ROUTE, "date": some_day()}


@pytest.fixture(scope="module", params=TWO_OFFERS.values(), ids=list(TWO_OFFERS))
def provider(request: pytest.FixtureRequest) -> Iterator[ProviderServer[Any]]:
    """A stand-in for each provider."""
    with ProviderServer(request.param()) as server:
        yield server


def in_process(stand_in: StandIn, url: str, **settings: object) -> Service:
    """A service whose bridge calls the provider at that URL."""
    account = {name.lower(): value for name, value in stand_in.environment(url).items()}
    return Service(amadeus_environment=stand_in.name, **account, **settings)


@pytest.fixture(scope="module")
def inside(provider: ProviderServer[Any]) -> Iterator[Service]:
    with in_process(provider.stand_in, provider.url) as service:
        yield service


@pytest.fixture(scope="module")
def outside(provider: ProviderServer[Any]) -> Iterator[Service]:
    """A service whose bridge is a server of its own."""
    with BridgeServer(provider) as server:
        account = {"amadeus_client_id": "me", "amadeus_client_secret": "secret"}
        with Service(amadeus_base_url=server.url, **account) as service:
            yield service


def told(answer: httpx2.Response) -> tuple[int, str, dict[str, Any]]:
    """What an answer says, whichever request and environment it belongs to."""
    body = answer.json()
    body.pop("request_id", None)
    return answer.status_code, answer.headers["Content-Type"], body


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/flights/price", DAY),
        ("/flights/offer", DAY | {"nocache": "1"}),
        ("/flights/calendar", {**ROUTE, "from": some_day(40), "to": some_day(42)}),
        ("/flights/price", DAY | {"cabin": "first"}),
        ("/flights/price", DAY | {"origin": "XQX"}),
    ],
    ids=["price", "offer", "calendar", "no offers", "unknown place"],
)
def test_bridge_in_process_answers_as_the_one_on_a_server(
    inside: Service, outside: Service, path: str, query: dict[str, str]
) -> None:
    assert told(inside.get(path, **query)) == told(outside.get(path, **query))


def test_bridge_on_a_server_is_a_custom_environment(outside: Service) -> None:
    answer = outside.price()

    assert answer.json()["data"]["price"] in {"189.40 GBP", "189.40 USD"}
    assert answer.headers["X-Amadeus-Environment"] == "custom"


def test_errors_are_the_same_in_process_and_on_a_server(
    provider: ProviderServer[Any], inside: Service, outside: Service
) -> None:
    failures = ((401, None), (403, None), (424, None), (200, "<html>"), (404, None))
    for ahead, (status, body) in enumerate(failures, 50):  # a broken search is paused for a while
        answers = []
        for service in (inside, outside):
            for _ in range(2):  # the service may try again
                provider.stand_in.fail("search", status, body)
            answers.append(told(service.price(date=some_day(ahead))))
            provider.stand_in.failures["search"].clear()

        assert answers[0] == answers[1]
        assert answers[0][0] >= 500


def test_failed_call_is_logged_with_the_id_of_its_request(
    provider: ProviderServer[Any], inside: Service
) -> None:
    provider.stand_in.fail("search", 401)
    answer = inside.price(nocache="1", origin="SFO")  # no other search failed just before
    request_id = answer.headers["X-Request-ID"]
    (line,) = inside.log("provider.call", request_id=request_id)

    assert (line["level"], line["status"]) == ("warning", 401)
    assert line["provider"] == provider.stand_in.name
    assert line["failure"] == "the answer is an error"


def test_search_ends_with_the_time_of_the_service_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with in_process(Ignav(), f"http://127.0.0.1:{port}", amadeus_timeout=0.5) as service:
            answer = service.price(origin="NYC")  # three airports, and so three calls to Ignav

            assert (answer.status_code, answer.json()["code"]) == (504, "amadeus-timeout")
            calls = service.log("provider.call", failure="no answer when the search ended")
            assert len(calls) == 3
            (worker,) = service.workers()
            eventually(lambda: connections_of(worker, port) == 0)


def test_fleet_shares_a_token_and_hides_the_key(
    provider: ProviderServer[Any], redis_server: RedisServer, tmp_path: Path
) -> None:
    (variable, key), (url_variable, url) = provider.environment.items()
    file = tmp_path / "key"
    file.write_text(key)
    settings = {
        "amadeus_environment": provider.stand_in.name,
        f"{variable}_file".lower(): file,
        url_variable.lower(): url,
        "redis_url": redis_server.url,
        "web_concurrency": 2,
        "log_level": "debug",
    }
    with Service(**settings) as one, Service(**settings) as other:
        replicas = (one, other)
        answers = [told(each.price(nocache="1")) for each in replicas for _ in range(4)]
        assert {status for status, _, _ in answers} == {200}
        assert sum(value(each, "token_fetches_total", result="fetched") for each in replicas) == 1
        pages = [each.get(path).text for each in replicas for path in ("/metrics", "/status.json")]
        worker = one.workers()[0]
        os.kill(worker, signal.SIGABRT)
        eventually(lambda: worker not in one.workers())
        logs = one.log_text + other.log_text
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        kept = {name: client.get(name) for name in client.scan_iter()}

    assert f"bundled bridge to {provider.stand_in.name}" in logs
    assert kept
    assert leaks(f"{answers} {pages} {logs} {kept}", [key]) == []
