"""A worker's connections to Redis are few, however many callers it has."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from api.services.cache.redis.connections import MAX_CALLS, MAX_CONNECTIONS, connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.telemetry.metrics import Metrics
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.redis_topology import RedisCluster, SentinelRedis

CALLERS = 3 * MAX_CALLS
Topology = Callable[[], AbstractContextManager[tuple[str, list[RedisServer]]]]


@contextmanager
def one_server() -> Iterator[tuple[str, list[RedisServer]]]:
    with RedisServer() as server:
        yield server.url, [server]


@contextmanager
def sentinels() -> Iterator[tuple[str, list[RedisServer]]]:
    with SentinelRedis() as servers:
        yield servers.url, [servers.master_now()]


@contextmanager
def cluster() -> Iterator[tuple[str, list[RedisServer]]]:
    with RedisCluster() as servers:
        yield servers.url, servers.masters()


@pytest.mark.parametrize("topology", [one_server, sentinels, cluster])
def test_connections_to_redis_are_bounded(topology: Topology) -> None:
    with topology() as (url, servers), closing(patient_store(url)) as store:
        store.check()
        for server in servers:
            server.client.client_pause(300)  # makes all of them wait at the same time
        with ThreadPoolExecutor(2 * CALLERS) as threads:
            keys = [f"price|{n}" for n in range(CALLERS)]
            renewals = threads.map(store.renew, keys, keys)
            found = list(threads.map(store.get, keys))
            list(renewals)
        opened = [len(ours(server)) for server in servers]
    assert found == [None] * CALLERS
    assert 1 < max(opened) <= MAX_CONNECTIONS


def patient_store(url: str) -> RedisStore:
    """A store whose callers wait for a connection also on a busy machine."""
    return RedisStore(connections_to(url), Metrics(), max_wait_seconds=10)


def ours(server: RedisServer) -> list[object]:
    """The connections of the service."""
    return [each for each in server.client.client_list() if each["name"] == "flight-price-api"]
