"""Unexpected replies of Redis, and a store that has been closed."""

import time
from collections.abc import Callable
from threading import Event
from threading import enumerate as enumerate_threads
from typing import cast
from unittest.mock import Mock

import pytest
import redis as redis_py
from structlog.testing import capture_logs

from api.services.cache.entries import Caller
from api.services.cache.layered_store import LayeredStore
from api.services.cache.redis.calls import StoreUnavailable, UnexpectedReply
from api.services.cache.redis.connections import Connections
from api.services.cache.redis.redis_store import RedisStore
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually


class Redis:
    """Answers every command with a number, and records the commands."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.is_open = False

    def run(self, key: str, *command: object) -> int:
        self.asked.append((key, command))
        self.meanwhile()
        self.is_open = True
        return 7

    def home(self) -> "Redis":
        return self

    def time(self) -> object:
        return self.run("", "TIME")[0]  # type: ignore[index] # as redis-py reads it

    def close(self) -> None:
        self.is_open = False

    def meanwhile(self) -> None:
        """Called before each answer."""


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    return RedisStore(cast("Connections", redis), Metrics())


CALLS: list[Callable[[RedisStore], object]] = [
    RedisStore.time,
    lambda store: store.get("key"),
    lambda store: store.failure_marker("key"),
    lambda store: store.claim("key", "me", Caller(0), background=False),
    lambda store: store.take_turns("key", 1, 1, 1),
]
NAMES = ["time", "get", "failure", "claim", "take-turn"]


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_unexpected_redis_reply_is_an_outage_and_not_a_bug(
    call: Callable[[RedisStore], object], store: RedisStore
) -> None:
    with pytest.raises(StoreUnavailable):
        call(store)


@pytest.mark.parametrize(
    ("error", "is_traced"),
    [(AttributeError, True), (TypeError, True), (OSError, False), (redis_py.RedisError, False)],
)
def test_error_that_may_be_a_bug_is_logged_with_its_traceback(
    redis: Redis,
    store: RedisStore,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    is_traced: bool,
) -> None:
    monkeypatch.setattr(redis, "meanwhile", Mock(side_effect=error("this one")))
    layered = LayeredStore(store, 60, Metrics())
    with capture_logs() as lines:
        layered.get("key")
    layered.close()

    (line,) = lines
    assert (line["event"], line["reason"]) == ("cache.unavailable", f"{error.__name__}: this one")
    assert (line["exc_info"] is not None) is is_traced
    if is_traced:
        assert isinstance(line["exc_info"].__cause__, error)


@pytest.mark.parametrize("is_closed", [False, True])
def test_subscription_that_fails_from_a_bug_is_logged_unless_the_store_is_closed(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, *, is_closed: bool
) -> None:
    failed = Event()

    def fail() -> None:
        if is_closed:
            layered.close()
        failed.set()
        raise UnexpectedReply("this one")

    layered = LayeredStore(store, 60, Metrics())
    monkeypatch.setattr(store, "check", lambda: None)
    monkeypatch.setattr(store, "announcements", fail)
    with capture_logs() as lines:
        layered.start()
        failed.wait()
        layered.close()
        eventually(lambda: "announcements" not in {thread.name for thread in enumerate_threads()})

    assert any("this one" in str(line["exc_info"]) for line in lines) is not is_closed


def test_closed_store_sends_redis_no_command(redis: Redis, store: RedisStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        store.get("key")
    assert redis.asked == []


def test_store_closed_during_a_call_leaves_no_connection_open(
    redis: Redis, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "meanwhile", store.close)
    with pytest.raises(StoreUnavailable):
        store.get("key")
    assert not redis.is_open


def test_late_time_reply_does_not_set_the_clock_back(
    redis: Redis, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behind_after(late: float) -> float:
        def tell() -> tuple[int, int]:
            told = time.time_ns() // 1000
            time.sleep(late)
            return divmod(told, 1_000_000)

        monkeypatch.setattr(redis, "time", tell)
        store.time()
        return time.time() - store.now()

    assert behind_after(0) < 0.01
    assert behind_after(0.2) < 0.01
