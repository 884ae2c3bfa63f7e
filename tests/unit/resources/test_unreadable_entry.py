"""An entry that something else wrote under the key of a price counts as absent."""

import datetime as dt
import time
from collections.abc import Iterator

import pytest
from falcon.testing import Result

from api.models import PriceQuery
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.prices import cache_key
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

DAY = some_day()
ROUTES = ["/flights/price", "/flights/offer", "/flights/calendar"]
BODIES = [
    b"not ours",
    b"not ours\nwith a second line",
    b'{"data": {}}\n',
    b'{"data": {"origin": "JFK", "destination": "LAX", "departure_date": "2026-12-28"}}\n',
    b'{"data": {"origin": "", "destination": "", "departure_date": "2026-12-28", "price": ""}}\n',
]


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return MemoryStore(Metrics())


@pytest.fixture(scope="module")
def _service(store: MemoryStore) -> Iterator[LocalService]:
    with LocalService(store=store) as service:
        yield service


@pytest.fixture(params=BODIES)
def service(
    _service: LocalService, store: MemoryStore, request: pytest.FixtureRequest
) -> LocalService:
    """A service whose store has an entry with this body for the day."""
    query = PriceQuery(origin="JFK", destination="LAX", date=dt.date.fromisoformat(DAY))
    entry = Entry(request.param, time.time(), time.time(), 600)
    store.clear()
    store.keep(cache_key("sandbox", query), entry, 3600)
    _service.clear()
    return _service


def ask(service: LocalService, route: str, **options: str) -> Result:
    dates = {"from": DAY, "to": DAY} if route == "/flights/calendar" else {"date": DAY}
    query = {"origin": "JFK", "destination": "LAX", **dates, **options}
    return service.client.simulate_get(route, params=query)


@pytest.mark.parametrize("route", ROUTES)
def test_unreadable_entry_is_fetched_again(service: LocalService, route: str) -> None:
    first, second = ask(service, route), ask(service, route)

    assert (first.status_code, first.headers["X-Cache"]) == (200, "miss")
    assert (second.status_code, second.headers["X-Cache"]) == (200, "hit")
    assert second.json == first.json
    assert service.searches() == 1


@pytest.mark.parametrize("route", ROUTES)
def test_unreadable_entry_is_not_known(service: LocalService, route: str) -> None:
    answer = ask(service, route, known="1")

    assert (answer.status_code, answer.json["code"]) == (404, "not-known")


@pytest.mark.parametrize("route", ROUTES)
def test_unreadable_entry_stands_in_for_no_failure(service: LocalService, route: str) -> None:
    service.fault("search", "status", "403:38197")

    answer = ask(service, route)

    assert (answer.status_code, answer.json["code"]) == (502, "amadeus-misconfigured")
