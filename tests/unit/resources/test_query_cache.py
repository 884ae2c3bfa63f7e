"""Parsed query strings are cached, but their dates are checked again."""

from collections.abc import Iterator

import falcon
import pytest
import time_machine
from falcon.testing import Result, TestClient

from api.app import create_app
from api.http.error_handlers import add_error_handlers
from api.http.request_context import RequestContext
from api.models import PriceQuery
from api.resources.price import PriceResource
from api.services.bodies import price_of
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline, Patience
from api.services.prices import CacheTimes, Prices
from api.settings import Settings
from api.telemetry.metrics import Metrics


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = create_app(Settings())
    yield TestClient(app)
    app.stop()


def asked(client: TestClient, date: str, more: str = "") -> Result:
    query = f"origin=JFK&destination=LAX&date={date}{more}"
    return client.simulate_get("/flights/price", query_string=query)


def test_cached_query_is_refused_once_its_day_is_past(
    client: TestClient,
) -> None:
    with time_machine.travel("2026-11-21T11:59:59Z", tick=False):
        assert (
            asked(client, "2026-11-20").status_code == 404
        )  # a valid query; there are no flights now
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
        assert asked(client, "2026-11-20").status_code == 400


def test_refused_query_is_accepted_once_its_day_is_bookable(
    client: TestClient,
) -> None:
    with time_machine.travel("2026-11-21T09:59:59Z", tick=False):
        assert asked(client, "2027-11-22").status_code == 400
    with time_machine.travel("2026-11-21T10:00:00Z", tick=False):
        assert asked(client, "2027-11-22").status_code == 200


@time_machine.travel("2026-11-21T12:00:00Z", tick=False)
def test_cached_query_with_nocache_still_bypasses_the_cache(client: TestClient) -> None:
    outcomes = [
        asked(client, "2026-12-01", more).headers["X-Cache"]
        for more in ("", "&nocache=1", "", "&nocache=1")
    ]

    assert outcomes == ["miss", "bypass", "hit", "bypass"]


class NoSource:
    """A source that has no offers."""

    def cheapest(self, query: PriceQuery, deadline: Deadline, patience: Patience | None) -> None:
        """Return None for every query."""


@time_machine.travel("2026-11-21T12:00:00Z", tick=False)
def test_queries_beyond_the_cache_size_are_still_answered() -> None:
    metrics, times = Metrics(), CacheTimes(600, 0, 60)
    reader = ReadThrough(MemoryStore(metrics), fetch_timeout=5)
    prices = Prices(reader, NoSource(), "sandbox", times, metrics)
    resource = PriceResource(prices, price_of, "sandbox", 5, max_cached_queries=2)
    app = falcon.App(middleware=[RequestContext(metrics)])
    app.add_route("/flights/price", resource)
    add_error_handlers(app, metrics)
    dates = [f"2026-12-0{day}" for day in range(1, 6)]

    answers = [asked(TestClient(app), day).json["detail"] for day in 2 * dates]

    assert answers == [f"No flight offers from JFK to LAX on {day}." for day in 2 * dates]
