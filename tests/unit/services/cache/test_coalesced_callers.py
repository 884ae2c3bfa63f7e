"""Callers that shared another caller's fetch are reported as coalesced, also on failure."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.errors import AmadeusUnavailable, UpstreamError
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.deadline import Deadline
from api.telemetry.events import Event
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually

CALLERS = 8


@pytest.mark.parametrize("error", [None, AmadeusUnavailable("no")], ids=["answer", "failure"])
def test_result_of_a_shared_fetch_is_marked_as_shared(error: UpstreamError | None) -> None:
    seen: list[Event] = []
    go_on = threading.Event()

    def fetch(_deadline: Deadline) -> FetchedValue:
        go_on.wait(5)
        if error:
            raise error
        return FetchedValue(b"250", 600)

    def observe(event: Event, _entry: Entry | None) -> None:
        seen.append(event)

    reader = ReadThrough(MemoryStore(Metrics()), fetch_timeout=5)
    request = CacheRequest("key", fetch, observe)
    with ThreadPoolExecutor(CALLERS) as crowd:
        asked = [crowd.submit(reader.read, request, Deadline(5)) for _ in range(CALLERS)]
        eventually(lambda: seen.count(Event.CACHE_MISS) == CALLERS)
        go_on.set()

    assert {type(one.exception()) for one in asked} == {type(error)}
    assert seen.count(Event.CACHE_COALESCED) == CALLERS - 1
