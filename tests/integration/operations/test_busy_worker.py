"""A busy worker does not take Redis or Amadeus for down.

`pytest -k busy_worker -rP` prints what docs/operations.md shows.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import permutations, product
from statistics import median
from typing import Self

import pytest

from tests.support.clients.crowd import Reply, ask_at_once
from tests.support.clients.load import AIRPORTS
from tests.support.servers.quick_amadeus import QuickAmadeus
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import Service, some_day

OUTAGES = ("cache.unavailable", "amadeus.circuit_opened")
SETTINGS = {"amadeus_client_id": "any", "amadeus_client_secret": "any", "web_concurrency": 2}
ROUTES = product(range(1, 300), permutations(AIRPORTS, 2))


@pytest.fixture
def amadeus() -> Iterator[QuickAmadeus]:
    with QuickAmadeus(0.8) as amadeus:
        yield amadeus


@pytest.fixture
def service(amadeus: QuickAmadeus, redis_server: RedisServer) -> Iterator[Service]:
    settings = {"amadeus_base_url": amadeus.url, "redis_url": redis_server.url, **SETTINGS}
    with Service(**settings) as service:
        yield service


def cold(service: Service, number: int) -> list[str]:
    """URLs of prices that have not been requested yet."""
    where = f"{service.url}/flights/price"
    return [
        f"{where}?origin={origin}&destination={destination}&date={some_day(ahead)}"
        for _, (ahead, (origin, destination)) in zip(range(number), ROUTES, strict=False)
    ]


class Hits:
    """Requests a cached price ten times a second while the `with` lasts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        self._service.price()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.1):
            asked = time.monotonic()
            assert self._service.price().headers["X-Cache"] == "hit"
            self.seconds.append(time.monotonic() - asked)


@pytest.mark.timing
@pytest.mark.parametrize("number", [500, 1000])
def test_crowd_of_cold_routes_is_not_taken_for_an_outage(
    service: Service, amadeus: QuickAmadeus, number: int
) -> None:
    with Hits(service) as hits:
        replies = ask_at_once(cold(service, number))
    print(told(number, replies, hits, amadeus))  # noqa: T201 - docs/operations.md tells it
    assert [service.log(event) for event in OUTAGES] == [[], []]
    refused = [reply for reply in replies if reply.status != 200]
    assert {reply.body["code"] for reply in refused} <= {"amadeus-unavailable"}
    assert all(1 <= int(reply.headers["Retry-After"]) <= 15 for reply in refused)
    assert median(hits.seconds) < 0.25


def told(number: int, replies: list[Reply], hits: Hits, amadeus: QuickAmadeus) -> str:
    statuses = Counter(reply.status for reply in replies)
    waits = [reply.seconds for reply in replies]
    return (
        f"{number} cold routes at once: {dict(statuses)}; p50 {median(waits):.1f} s,"
        f" worst {max(waits):.1f} s; at most {amadeus.most_under_way} calls under way;"
        f" {len(hits.seconds)} hits meanwhile, p50 {1000 * median(hits.seconds):.0f} ms,"
        f" worst {1000 * max(hits.seconds):.0f} ms"
    )
