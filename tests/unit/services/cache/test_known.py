"""`known` reads what is stored and does nothing else, whatever state the entry is in."""

import threading
from collections.abc import Callable
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import AmadeusUnavailable, dump_upstream_error
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, Outcome
from api.telemetry.metrics import Metrics

NOW = 1_800_000_000.0
TTL, STALE_TTL = 600.0, 3600.0
ERROR = dump_upstream_error(AmadeusUnavailable("no"))


class ReadOnlyStore:
    """A store that fails the test unless it is only read."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name not in ("get", "now"):
            pytest.fail(f"{name} was called")
        method: Callable[..., object] = getattr(self._store, name)
        return method


def unexpected(*_: object) -> NoReturn:
    pytest.fail("it was fetched or logged")


def known(store: MemoryStore, max_age: float | None = None) -> CacheResult | None:
    """Read what is known, and fail the test if that has a side effect."""
    reader = ReadThrough(ReadOnlyStore(store), fetch_timeout=5)  # type: ignore[arg-type]
    request = CacheRequest("key", unexpected, unexpected, STALE_TTL)
    threads = threading.active_count()
    result = reader.known(request, max_age)
    assert threading.active_count() == threads
    return result


def store_with(
    body: bytes = b"250", age: float = 0, ttl: float = TTL, *, failing: bool = False
) -> MemoryStore:
    store = MemoryStore(Metrics(), clock=lambda: NOW)
    store.keep("key", Entry(body, NOW - age, NOW - age, ttl), 10_000)
    if failing:
        store.fail("key", "me", ERROR, 5, 1)
    return store


@pytest.mark.parametrize("failing", [False, True], ids=["working", "failing"])
@pytest.mark.parametrize("body", [b"250", b""], ids=["price", "empty"])
@pytest.mark.parametrize("age", [0, 300, 599, 600, 4199])
def test_entry_within_its_stale_limit_is_known(age: float, body: bytes, *, failing: bool) -> None:
    result = known(store_with(body, age, failing=failing))

    assert result
    assert (result.entry.body, result.outcome, result.age) == (body, Outcome.HIT, age)


def test_empty_store_knows_nothing() -> None:
    assert known(MemoryStore(Metrics())) is None


def test_entry_at_its_stale_limit_is_not_known() -> None:
    assert known(store_with(age=4200)) is None


def test_entry_older_than_max_age_is_not_known() -> None:
    assert known(store_with(age=300), max_age=300)
    assert known(store_with(age=301), max_age=300) is None


def test_entry_from_the_future_is_not_known() -> None:
    assert known(store_with(age=-60)) is None


@given(
    age=st.floats(-10, 10_000),
    ttl=st.sampled_from([0.0, 60.0, TTL]),
    body=st.sampled_from([b"", b"250"]),
    failing=st.booleans(),
    max_age=st.none() | st.floats(1, TTL + STALE_TTL),
)
def test_known_read_has_no_side_effects_and_follows_the_rule(
    age: float, ttl: float, body: bytes, failing: bool, max_age: float | None
) -> None:
    result = known(store_with(body, age, ttl, failing=failing), max_age)

    fetched_at = NOW - age
    is_known = fetched_at <= NOW + 1 and fetched_at + ttl + STALE_TTL > NOW
    is_young = max_age is None or fetched_at >= NOW - max_age
    assert (result is not None) == (is_known and is_young)
    assert result is None or result.age == max(0.0, NOW - fetched_at)
