"""`known=1` never calls Amadeus and writes nothing, whatever the cache holds and Redis does."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NoReturn, cast

import httpx2
import pytest
import redis
from falcon.testing import TestClient

from api.app import create_app
from api.errors import AmadeusUnavailable, dump_upstream_error
from api.models import PriceQuery
from api.services.cache.entries import Entry, FailureMarker
from api.services.cache.layered_store import LayeredStore
from api.services.cache.memory_store import MemoryStore
from api.services.cache.redis.connections import Connections
from api.services.cache.redis.encoding import entry_key, marker_key
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.store import CheckedStore
from api.services.prices import cache_key
from api.settings import Settings
from api.telemetry.metrics import Metrics
from tests.support.servers.service import some_day

TTL, STALE_TTL, EMPTY_TTL = 600, 3600, 60
QUERY = PriceQuery(origin="JFK", destination="LAX", date=some_day())
SETTINGS = Settings()
KEY = cache_key(SETTINGS.provider, QUERY)
PRICE = (
    b'{"data": {"origin": "JFK", "destination": "LAX", "departure_date": "2026-12-28",'
    b' "price": "306.85 EUR"}}\n'
)
ERROR = dump_upstream_error(AmadeusUnavailable("no"))

# The body of the entry, its age and its TTL; None without an entry.
ENTRIES: dict[str, tuple[bytes, int, int] | None] = {
    "none": None,
    "fresh": (PRICE, 10, TTL),
    "last tenth": (PRICE, 590, TTL),
    "expired": (PRICE, 610, TTL),
    "almost forgotten": (PRICE, 4190, TTL),
    "too old": (PRICE, 4210, TTL),
    "empty": (b"", 10, EMPTY_TTL),
    "empty and expired": (b"", 610, EMPTY_TTL),
    "empty and too old": (b"", 3670, EMPTY_TTL),
}
UNKNOWN = ("none", "too old", "empty and too old")


class FakeRedis:
    """A Redis that holds one entry and perhaps its failure marker, and only lets them be read."""

    def __init__(self, entry: Entry | None, marker: FailureMarker | None) -> None:
        self.values = dict[object, bytes]()
        if entry:
            times = f"1 {entry.fetched_at:.6f} {entry.stored_at:.6f} {entry.ttl}\n"
            self.values[entry_key(KEY)] = times.encode() + entry.body
        if marker:
            times = f"1 {marker.failed_at:.6f} {marker.pause:.6f} {marker.tries}\n"
            self.values[marker_key(KEY)] = times.encode() + marker.body

    def run(self, _key: str, command: str, *arguments: object) -> bytes | None:
        if command != "GET":
            pytest.fail(f"{command} was sent")
        return self.values.get(arguments[0])

    def home(self) -> "FakeRedis":
        return self

    def time(self) -> tuple[int, int]:
        return divmod(time.time_ns() // 1000, 1_000_000)

    def close(self) -> None: ...


class BrokenRedis(FakeRedis):
    """A Redis that cannot be reached, or hangs until the time limit of the call."""

    error: type[redis.RedisError] = redis.ConnectionError

    def run(self, _key: str, _command: str, *_arguments: object) -> NoReturn:
        raise self.error("no answer")


class HangingRedis(BrokenRedis):
    error = redis.TimeoutError


class ReadOnly:
    """A store that notes each call that could change something."""

    def __init__(self, store: CheckedStore) -> None:
        self._store = store
        self.writes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name not in ("get", "now", "is_up", "checked_ago", "close"):
            self.writes.append(name)
        return getattr(self._store, name)


def in_memory(entry: Entry | None, marker: FailureMarker | None) -> MemoryStore:
    store = MemoryStore(Metrics())
    keep(store, entry, marker)
    return store


def keep(store: CheckedStore, entry: Entry | None, marker: FailureMarker | None) -> None:
    if entry:
        store.put(KEY, "", entry.body, entry.fetched_at, entry.ttl, 2 * STALE_TTL)
    if marker:
        store.fail(KEY, "", marker.body, marker.pause, marker.tries)


def layered(kind: type[FakeRedis]) -> Callable[..., LayeredStore]:
    """Return what makes a store with such a Redis; if it is broken, the copy has the entry."""

    def make(entry: Entry | None, marker: FailureMarker | None) -> LayeredStore:
        fake = kind(entry, marker)
        shared = RedisStore(cast("Connections", fake), Metrics())
        store = LayeredStore(shared, STALE_TTL, Metrics())
        if isinstance(fake, BrokenRedis):
            keep(store, entry, marker)
            store._is_down = False  # noqa: SLF001 - the known read is the first to notice
        return store

    return make


STORES: dict[str, Callable[..., CheckedStore]] = {
    "memory": in_memory,
    "redis": layered(FakeRedis),
    "redis is down": layered(BrokenRedis),
    "redis hangs": layered(HangingRedis),
}


@pytest.fixture
def calls() -> list[str]:
    """The calls to Amadeus."""
    return []


@pytest.fixture(params=product(STORES, ENTRIES, ("works", "failed")), ids=", ".join)
def state(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """What the store is, what it holds, and whether the last fetch failed."""
    state: tuple[str, str, str] = request.param
    return state


@pytest.fixture
def store(state: tuple[str, str, str]) -> Iterator[ReadOnly]:
    kind, name, fate = state
    now, held = time.time(), ENTRIES[name]
    entry = Entry(held[0], now - held[1], now - held[1], held[2]) if held else None
    marker = FailureMarker(ERROR, now, 5, 1) if fate == "failed" else None
    made = STORES[kind](entry, marker)
    yield ReadOnly(made)
    made.close()


@pytest.mark.thorough
@pytest.mark.parametrize("path", ["/flights/price", "/flights/offer"])
def test_known_read_calls_nobody_and_changes_nothing(
    state: tuple[str, str, str], store: ReadOnly, calls: list[str], path: str
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        calls.append(str(request.url))
        return httpx2.Response(500)

    app = create_app(SETTINGS, store=store, transport=httpx2.MockTransport(answer))
    store.writes.clear()
    before = threading.enumerate()
    query = {"origin": "JFK", "destination": "LAX", "date": some_day(), "known": "1"}

    replies = [
        TestClient(app).simulate_request(method, path, params=query)
        for method in ("GET", "HEAD", "GET", "HEAD")
    ]

    kind, name, _ = state
    status = 200 if name in ("fresh", "last tenth", "expired", "almost forgotten") else 404
    outcome = None if name in UNKNOWN else "hit"
    for reply in replies:
        assert (reply.status_code, reply.headers.get("x-cache")) == (status, outcome)
    # A broken Redis is watched, by a thread that the first call to fail starts.
    allowed = {"redis-probe"} if kind in ("redis is down", "redis hangs") else set[str]()
    assert {it.name for it in threading.enumerate() if it not in before} <= allowed
    assert (store.writes, calls) == ([], [])
