"""The copy in the process beside Redis: what it may take over, and what outlives an outage."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from api.services.entries import Entry
from api.services.stores import LayeredStore, RedisStore
from tests.processes import eventually
from tests.redis_server import RedisServer


class EventfulRedis(RedisStore):
    """Something happens while a reply is on its way."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        entry = super().put(key, owner, body, fetched_at, ttl, stale_ttl)
        self.meanwhile()
        return entry


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis to be mistreated."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def shared(server: RedisServer) -> EventfulRedis:
    return EventfulRedis(server.url)


@pytest.fixture
def store(shared: EventfulRedis) -> Iterator[LayeredStore]:
    store = LayeredStore(shared)
    store.start()
    yield store
    store.close()


def test_a_late_reply_brings_back_no_price_whose_successor_was_not_heard_of(
    store: LayeredStore, shared: EventfulRedis, server: RedisServer
) -> None:
    def answers_itself() -> bool:
        gets = server.calls("get")
        store.get("known")
        return server.calls("get") == gets

    def lose_the_news() -> None:
        server.client.client_kill_filter(_type="pubsub")
        with closing(RedisStore(server.url)) as another:
            another.put("key", "", b"newer", now + 0.1, 600, 60)
        eventually(answers_itself)

    now = store.time()
    store.put("known", "", b"body", now, 600, 60)
    eventually(answers_itself)
    shared.meanwhile = lose_the_news
    store.put("key", "", b"older", now, 600, 60)
    found = store.get("key")
    assert found is not None
    assert found.body == b"newer"
