"""The number of concurrent fetches is limited, and further ones wait in line."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from api.errors import AmadeusUnavailable
from api.services.cache.entries import Caller
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics

FETCH_TIMEOUT = 10.0
Fetch = Callable[[Deadline], FetchedValue]


@pytest.fixture
def reader() -> ReadThrough:
    """A read-through with two fetch slots."""
    return ReadThrough(MemoryStore(Metrics()), FETCH_TIMEOUT, max_fetches=2)


@pytest.fixture
def hasty_reader() -> ReadThrough:
    """The same with a fetch timeout of one second."""
    return ReadThrough(MemoryStore(Metrics()), 1.0, max_fetches=2)


def request(key: str, fetch: Fetch, *, needs_slot: bool = True) -> CacheRequest:
    return CacheRequest(key, fetch, lambda *_: None, stale_ttl=60, needs_slot=needs_slot)


def at_once(_: Deadline) -> FetchedValue:
    return FetchedValue(b"250", 600)


@contextmanager
def two_under_way(reader: ReadThrough) -> Iterator[threading.Event]:
    """Two running fetches, which end with the event or the `with`."""
    begun, end = threading.Semaphore(0), threading.Event()

    def slow(_: Deadline) -> FetchedValue:
        begun.release()
        end.wait(5)
        return FetchedValue(b"late", 600)

    with ThreadPoolExecutor(2) as threads:
        for key in ("one", "other"):
            threads.submit(reader.read, request(key, slow), Deadline(5))
            begun.acquire(timeout=5)
        yield end
        end.set()


def test_concurrent_fetches_are_bounded(reader: ReadThrough) -> None:
    places = threading.Semaphore(2)
    had_place = list[bool]()

    def fetch(_: Deadline) -> FetchedValue:
        had_place.append(places.acquire(blocking=False))
        time.sleep(0.02)
        places.release()
        return FetchedValue(b"250", 600)

    with ThreadPoolExecutor(10) as threads:
        for key in range(10):
            threads.submit(reader.read, request(str(key), fetch), Deadline(5))
    assert had_place == [True] * 10


def test_fetch_that_would_start_too_late_is_refused_with_retry_after(
    hasty_reader: ReadThrough,
) -> None:
    began = time.monotonic()
    with two_under_way(hasty_reader):
        asked = time.monotonic()
        with pytest.raises(AmadeusUnavailable) as refused:
            hasty_reader.read(request("third", at_once), Deadline(5))
        ended = time.monotonic()
    # As long as the two had taken after it had waited 0.5 s, less the time until it learned that.
    learned_late = ended - asked - 0.5
    assert 0.499 - learned_late <= (refused.value.retry_after or 0) <= ended - began


def test_queued_fetch_has_all_of_its_time_once_it_has_a_slot(reader: ReadThrough) -> None:
    left = list[float]()

    def fetch(deadline: Deadline) -> FetchedValue:
        left.append(deadline.remaining())
        return FetchedValue(b"250", 600)

    with two_under_way(reader) as end:
        threading.Timer(0.3, end.set).start()
        reader.read(request("third", fetch), Deadline(FETCH_TIMEOUT))
    assert FETCH_TIMEOUT - 0.1 < left[0] <= FETCH_TIMEOUT


def test_stale_price_is_served_when_a_fetch_is_refused(
    hasty_reader: ReadThrough,
) -> None:
    hasty_reader.read(request("third", lambda _: FetchedValue(b"250", 0.01)), Deadline(5))
    time.sleep(0.02)
    with two_under_way(hasty_reader):
        answer = hasty_reader.read(request("third", at_once), Deadline(5))
    assert answer.outcome is Outcome.STALE


def test_token_fetch_does_not_queue_for_a_slot(reader: ReadThrough) -> None:
    with two_under_way(reader):
        answer = reader.read(request("token", at_once, needs_slot=False), Deadline(5))
    assert answer.entry.body == b"250"


def test_fetch_that_waited_for_a_lock_has_all_of_its_time() -> None:
    store, left = MemoryStore(Metrics()), list[float]()
    store.claim("key", "another process", Caller(store.now()), background=False)

    def fetch(deadline: Deadline) -> FetchedValue:
        left.append(deadline.remaining())
        return FetchedValue(b"250", 600)

    threading.Timer(0.3, store.release, ["key", "another process"]).start()
    ReadThrough(store, FETCH_TIMEOUT).read(request("key", fetch), Deadline(5))
    assert FETCH_TIMEOUT - 0.1 < left[0] <= FETCH_TIMEOUT


def test_refresh_does_not_queue_for_a_slot(reader: ReadThrough) -> None:
    entry = reader.read(request("third", at_once), Deadline(5)).entry
    with two_under_way(reader):
        begun = time.monotonic()
        reader.refresh(request("third", lambda _: pytest.fail("it was fetched")), entry)
        assert time.monotonic() - begun < 1


def test_caller_that_joins_a_refresh_without_a_slot_fetches_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, answers = MemoryStore(Metrics()), list[bytes]()
    reader, now = ReadThrough(store, FETCH_TIMEOUT, max_fetches=2), store.now
    wanted = request("third", lambda _: FetchedValue(b"new", 600))
    joiner = threading.Thread(
        target=lambda: answers.append(reader.read(wanted, Deadline(5), max_age=0).entry.body)
    )

    def joined_meanwhile() -> float:
        if not joiner.ident:  # the refresh asks first, once it is under way
            joiner.start()
            time.sleep(0.1)
        return now()

    entry = reader.read(request("third", at_once), Deadline(5)).entry
    with two_under_way(reader) as end:
        monkeypatch.setattr(store, "now", joined_meanwhile)
        reader.refresh(wanted, entry)
        end.set()
        joiner.join(5)
    assert answers == [b"new"]
