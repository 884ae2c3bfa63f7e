"""The read-through's rule holds with Redis, whose scripts interleave at random."""

import time
from contextlib import ExitStack, closing
from random import Random

import pytest

from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.telemetry.metrics import Metrics
from tests.support.servers.redis_server import RedisServer
from tests.support.stories import LIFETIMES, READERS, Clock, Story, played

# A process knows Redis' time to within half a round trip.
PRECISION = 0.05


@pytest.mark.parametrize("seed", range(3))
def test_read_through_rule_holds_with_redis(seed: int, redis_server: RedisServer) -> None:
    with ExitStack() as stores:

        def open_store() -> RedisStore:
            connections = connections_to(redis_server.url)
            store = RedisStore(connections, Metrics(), lifetimes=LIFETIMES)
            return stores.enter_context(closing(store))

        def begin() -> Story:
            redis_server.client.flushall()
            clock = Clock(open_store().time() - time.monotonic(), PRECISION)
            return Story(Random(seed), clock, open_store)

        story = played(begin)
    story.check_that_fetches_did_not_overlap()
    assert len(story.fetches) < READERS
