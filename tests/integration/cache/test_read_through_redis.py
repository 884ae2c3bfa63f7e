"""The read-through's rule holds with Redis, whose scripts interleave at random."""

import threading
import time
from contextlib import ExitStack, closing
from random import Random

import pytest

from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.stories import LIFETIMES, READERS, Clock, Story, played

# A process knows Redis' time to within half a round trip.
PRECISION = 0.05


def offset_of(store: RedisStore) -> float:
    """Redis' time less `time.monotonic`, measured without a pause of this process."""
    while True:
        before, now, after = time.monotonic(), store.time(), time.monotonic()
        if after - before < PRECISION / 2:
            return now - after


@pytest.mark.parametrize("seed", range(3))
def test_read_through_rule_holds_with_redis(seed: int, redis_server: RedisServer) -> None:
    idle = threading.active_count()

    def all_over() -> bool:
        """Whether the fetches that outlast their readers have ended."""
        return threading.active_count() <= idle

    with ExitStack() as stores:

        def open_store() -> RedisStore:
            connections = connections_to(redis_server.url)
            store = RedisStore(connections, Metrics(), lifetimes=LIFETIMES)
            return stores.enter_context(closing(store))

        def begin() -> Story:
            eventually(all_over)
            redis_server.client.flushall()
            return Story(Random(seed), Clock(offset_of(open_store()), PRECISION), open_store)

        story = played(begin)
        eventually(all_over)
    assert len(story.fetches) < READERS
