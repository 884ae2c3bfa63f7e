"""A patient fetch that is postponed has no effect on anybody."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue, FetchPostponed
from api.services.deadline import Deadline
from api.telemetry.events import Event
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually

Fetch = Callable[[Deadline], FetchedValue]
Observe = Callable[[Event, Entry | None], None]


def request(
    fetch: Fetch, observe: Observe | None = None, *, is_patient: bool = False
) -> CacheRequest:
    return CacheRequest("key", fetch, observe or (lambda *_: None), is_patient=is_patient)


def at_once(_: Deadline) -> FetchedValue:
    return FetchedValue(b"250", 600)


def postponed(_: Deadline) -> FetchedValue:
    raise FetchPostponed


def test_postponed_fetch_leaves_neither_lock_nor_failure_marker() -> None:
    store = MemoryStore(Metrics())
    reader = ReadThrough(store, fetch_timeout=5)
    with pytest.raises(FetchPostponed):
        reader.read(request(postponed, is_patient=True), Deadline(5))

    assert store.failure_marker("key") is None
    assert not reader.fetches.is_under_way("key")
    # With the lock taken, this would wait for three seconds.
    assert ReadThrough(store, fetch_timeout=5).read(request(at_once), Deadline(1)).entry.body


def test_reader_who_joined_a_postponed_fetch_fetches_by_itself() -> None:
    reader = ReadThrough(MemoryStore(Metrics()), fetch_timeout=5)
    begun, joined = threading.Event(), threading.Event()

    def waiting(_: Deadline) -> FetchedValue:
        begun.set()
        joined.wait(5)
        raise FetchPostponed

    with ThreadPoolExecutor(2) as threads:
        patient = threads.submit(reader.read, request(waiting, is_patient=True), Deadline(5))
        begun.wait(5)
        # The reader looks up the entry, and then joins.
        looked_up = request(at_once, lambda *_: joined.set())
        single = threads.submit(reader.read, looked_up, Deadline(5))

    assert single.result().entry.body == b"250"
    assert isinstance(patient.exception(), FetchPostponed)


@contextmanager
def under_way(reader: ReadThrough, number: int, *, is_patient: bool) -> Iterator[None]:
    """Fetches that end with the block."""
    begun, end = threading.Semaphore(0), threading.Event()

    def slow(_: Deadline) -> FetchedValue:
        begun.release()
        end.wait(5)
        return FetchedValue(b"250", 600)

    with ThreadPoolExecutor(number) as threads:
        for key in range(number):
            one = replace(request(slow, is_patient=is_patient), key=str(key))
            threads.submit(reader.read, one, Deadline(5))
            begun.acquire(timeout=5)
        yield
        end.set()


@pytest.mark.parametrize(("number", "is_patient"), [(2, True), (8, False)])
def test_patient_fetch_that_gets_no_slot_is_postponed(number: int, *, is_patient: bool) -> None:
    reader = ReadThrough(MemoryStore(Metrics()), 5, max_fetches=8)
    assert reader.fetches.has_room
    with under_way(reader, number, is_patient=is_patient):
        assert not reader.fetches.has_room
        with pytest.raises(FetchPostponed):
            reader.read(request(at_once, is_patient=True), Deadline(1))


def test_patient_fetches_leave_slots_to_other_callers() -> None:
    reader = ReadThrough(MemoryStore(Metrics()), 5, max_fetches=8)
    with under_way(reader, 2, is_patient=True):
        assert reader.read(request(at_once), Deadline(1)).entry.body == b"250"


def test_patient_caller_joins_the_fetch_of_a_reader() -> None:
    reader = ReadThrough(MemoryStore(Metrics()), fetch_timeout=5)
    begun, end = threading.Event(), threading.Event()

    def slow(_: Deadline) -> FetchedValue:
        begun.set()
        end.wait(5)
        return FetchedValue(b"250", 600)

    with ThreadPoolExecutor(2) as threads:
        threads.submit(reader.read, request(slow), Deadline(5))
        begun.wait(5)
        assert reader.fetches.is_under_way("key")
        patient = threads.submit(reader.read, request(postponed, is_patient=True), Deadline(5))
        eventually(patient.running)
        end.set()

    assert patient.result().entry.body == b"250"
