"""A failed fetch answers the callers that wait for it, also those of another process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.errors import AmadeusTimeout, AmadeusUnavailable
from api.services.cache.entries import Caller, Claim, FailureMarker
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually


class WatchedStore(MemoryStore):
    """A store that counts the claims before and after a failure."""

    has_failed = False

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.claims = {False: 0, True: 0}

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        self.claims[self.has_failed] += 1
        return super().claim(key, owner, caller, background=background)

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        marker = super().fail(key, owner, body, pause, tries)
        self.has_failed = True
        return marker


def test_failure_answers_a_waiting_process_at_its_next_look() -> None:
    store, go_on = WatchedStore(), threading.Event()

    def fail(_deadline: Deadline) -> FetchedValue:
        go_on.wait(5)
        raise AmadeusUnavailable("Amadeus reported an internal error.")

    def read() -> None:
        reader = ReadThrough(store, fetch_timeout=5, poll_seconds=(0.001, 0.002))
        with pytest.raises(AmadeusUnavailable):
            reader.read(CacheRequest("key", fail, observe=lambda *_: None), Deadline(5))

    with ThreadPoolExecutor() as threads:
        reads = [threads.submit(read) for _ in range(2)]
        eventually(lambda: store.claims[False] > 3)  # one leads, and the other looks repeatedly
        go_on.set()
        for each in reads:
            each.result()
    assert store.claims[True] <= 1


def test_readers_get_a_stale_entry_while_its_next_fetch_hangs() -> None:
    now, fetches, go_on = 1000.0, 0, threading.Event()

    def fetch(_deadline: Deadline) -> FetchedValue:
        nonlocal fetches
        fetches += 1
        if fetches == 2:
            raise AmadeusTimeout("Amadeus did not answer in time.")
        if fetches == 3:
            go_on.wait(20)
        return FetchedValue(b"a price", 600)

    reader = ReadThrough(MemoryStore(Metrics(), clock=lambda: now), fetch_timeout=5)
    request = CacheRequest("key", fetch, observe=lambda *_: None, stale_ttl=600)
    reader.read(request, Deadline(5))
    now += 601
    outcomes = [reader.read(request, Deadline(5)).outcome]  # this reader waited for the timeout
    now += 2  # after the pause that follows a failure, but before its marker ends
    outcomes += [reader.read(request, Deadline(5)).outcome for _ in range(50)]
    eventually(lambda: fetches == 3)
    outcomes += [reader.read(request, Deadline(5)).outcome for _ in range(50)]
    assert set(outcomes) == {Outcome.STALE}
    go_on.set()
