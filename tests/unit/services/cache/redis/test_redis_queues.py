"""Who waits for whom if more is asked of Redis than it answers."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from api.services.cache.entries import Caller
from api.services.cache.layered_store import LayeredStore
from api.services.cache.redis.connections import MAX_CALLS, Connections
from api.services.cache.redis.redis_store import RedisStore
from api.telemetry.metrics import Metrics

READERS = 2 * MAX_CALLS


class SlowRedis:
    """Answers reads only once `go_on` is set, and everything else at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def run(self, _key: str, command: str, *_: object) -> Any:
        if command == "GET":
            self.go_on.wait(5)
            return None
        return *self.time(), b"held", b""

    def time(self) -> tuple[int, int]:
        return divmod(time.time_ns() // 1000, 1_000_000)

    def home(self) -> "SlowRedis":
        return self

    def refresh(self) -> None:
        """There is one server."""

    def one_key_per_server(self, keys: list[str]) -> list[str]:
        return keys[:1]

    def check_subscription(self, _server: object) -> None:
        """It hears everything."""

    def pubsub(self) -> "Subscription":
        return Subscription()


class Subscription:
    """Hears nothing but its own name."""

    def get_message(self, timeout: float | None = 0) -> dict[str, str]:
        time.sleep(timeout or 0)
        return {"type": "subscribe"}

    def subscribe(self, _channel: str) -> None: ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def store() -> Iterator[RedisStore]:
    """A store that more ask to read than may read at once."""
    slow = SlowRedis()
    connections = cast("Connections", slow)
    store = RedisStore(connections, Metrics(), heartbeat_seconds=0.01, max_wait_seconds=0.2)
    store.time()
    layered = LayeredStore(store, 60, Metrics())
    readers = [threading.Thread(target=layered.get, args=["key"]) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    yield store
    slow.go_on.set()
    for reader in readers:
        reader.join()


def heartbeat(store: RedisStore) -> None:
    with store.announcements() as announcements:
        next(announcements)


CALLS: list[Callable[[RedisStore], object]] = [
    lambda store: store.renew("key", "me"),
    lambda store: store.release("key", "me"),
    lambda store: store.claim("key", "me", Caller(0), background=False),
    lambda store: store.drop("key", 0),
    RedisStore.check,
    heartbeat,
]


@pytest.mark.parametrize("call", CALLS, ids=["renew", "release", "claim", "drop", "check", "beat"])
def test_call_of_a_fetch_or_a_watch_does_not_queue_behind_reads(
    store: RedisStore, call: Callable[[RedisStore], object]
) -> None:
    begun = time.monotonic()
    call(store)
    assert time.monotonic() - begun < 1


def test_reader_that_would_queue_too_long_is_answered_without_redis(store: RedisStore) -> None:
    layered, begun = LayeredStore(store, 60, Metrics()), time.monotonic()
    assert layered.get("key") is None
    assert time.monotonic() - begun < 1
    assert layered.is_up
