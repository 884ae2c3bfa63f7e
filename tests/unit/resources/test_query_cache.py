"""Parsed query strings are cached, but their dates are checked again."""

from collections.abc import Iterator

import pytest
import time_machine
from falcon.testing import Result, TestClient

from api.app import create_app
from api.resources import price
from api.settings import Settings


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


@pytest.fixture
def two_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price, "MAX_CACHED_QUERIES", 2)


@time_machine.travel("2026-11-21T12:00:00Z", tick=False)
@pytest.mark.usefixtures("two_are_kept")
def test_queries_beyond_the_cache_size_are_still_answered(client: TestClient) -> None:
    dates = [f"2026-12-0{day}" for day in range(1, 6)]

    answers = [asked(client, date).json["data"]["departure_date"] for date in 2 * dates]

    assert answers == 2 * dates
