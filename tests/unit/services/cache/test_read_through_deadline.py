"""A caller at its deadline gets what is stored, and no fetch is started for it."""

import threading

import pytest

from api.errors import AmadeusTimeout
from api.http.cache_headers import cache_status
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics


def request(body: bytes = b"250") -> CacheRequest:
    return CacheRequest("key", lambda _: FetchedValue(body, 600), lambda *_: None, stale_ttl=60)


class SlowlyConfirmingStore(MemoryStore):
    """A store that confirms a put late."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.go_on = threading.Event()

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        entry = super().put(key, owner, body, fetched_at, ttl, stale_ttl)
        self.go_on.wait(5)
        return entry


def test_entry_stored_at_the_deadline_is_a_miss_and_not_stale() -> None:
    store = SlowlyConfirmingStore()
    answer = ReadThrough(store, fetch_timeout=5).read(request(), Deadline(0.2))
    store.go_on.set()
    assert answer.outcome is Outcome.MISS
    assert cache_status(answer, left=600) == "flight-price-api; fwd=miss; stored"


def test_expired_deadline_starts_no_fetch() -> None:
    reader = ReadThrough(MemoryStore(Metrics()), fetch_timeout=5)
    with pytest.raises(AmadeusTimeout):
        reader.read(request(b"for nobody"), Deadline(0))
    answer = reader.read(request(b"for somebody"), Deadline(5))
    assert answer.entry.body == b"for somebody"
