"""Unexpected replies of Redis, and a store that has been closed."""

import time
from collections.abc import Callable

import pytest

from api.services.cache.redis import redis_store
from api.services.cache.redis.redis_store import RedisStore, StoreUnavailable


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
def store(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> RedisStore:
    monkeypatch.setattr(redis_store, "connections_to", lambda _url: redis)
    return RedisStore("redis://unused")


CALLS: list[Callable[[RedisStore], object]] = [
    RedisStore.time,
    lambda store: store.get("key"),
    lambda store: store.failure_marker("key"),
    lambda store: store.claim("key", "me", 0, 0, background=False),
    lambda store: store.take_turn("key", 1, 1, 1),
]
NAMES = ["time", "get", "failure", "claim", "take-turn"]


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_unexpected_redis_reply_is_an_outage_and_not_a_bug(
    call: Callable[[RedisStore], object], store: RedisStore
) -> None:
    with pytest.raises(StoreUnavailable):
        call(store)


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
