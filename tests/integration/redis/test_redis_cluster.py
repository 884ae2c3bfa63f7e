"""Commands while a cluster moves keys, loses a node or is unreachable."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from api.services.cache.entries import Caller, LockAcquired
from api.services.cache.redis.calls import StoreUnavailable
from api.services.cache.redis.cluster import Cluster
from api.services.cache.redis.connections import CLIENT_OPTIONS, connections_to
from api.services.cache.redis.encoding import entry_key
from api.services.cache.redis.redis_store import RedisStore
from api.settings.redis_url import Address
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.redis_topology import RedisCluster

KEY = "price|JFK|LAX"
SLOT = key_slot(entry_key(KEY).encode())


@pytest.fixture(scope="module")
def _shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as servers:
        yield servers


@pytest.fixture
def servers(_shared_cluster: RedisCluster) -> RedisCluster:
    """An empty cluster, complete again after what the test before did to it."""
    eventually(_shared_cluster.is_complete)
    for server in _shared_cluster.masters():
        server.client.flushall()
    return _shared_cluster


@pytest.fixture
def store(servers: RedisCluster) -> Iterator[RedisStore]:
    with closing(RedisStore(connections_to(servers.url), Metrics())) as store:
        store.check()
        yield store


@contextmanager
def slot_on_the_move(servers: RedisCluster) -> Iterator[tuple[RedisServer, RedisServer]]:
    """Move a slot; yield its old and new master during the move, and finish it at the end."""
    giver = servers.owner_of(SLOT)
    taker = next(server for server in servers.masters() if server is not giver)
    setslot(taker, "IMPORTING", giver.node_id)
    setslot(giver, "MIGRATING", taker.node_id)
    yield giver, taker
    for server in (taker, giver):
        setslot(server, "NODE", taker.node_id)


def setslot(server: RedisServer, *state: str) -> None:
    server.client.execute_command("CLUSTER SETSLOT", SLOT, *state)  # type: ignore[no-untyped-call]


def claim(store: RedisStore) -> Any:
    return store.claim(KEY, "me", Caller(store.now()), background=False)


def answers(store: RedisStore) -> bool:
    try:
        store.check()
    except StoreUnavailable:
        return False
    return True


def refusals(server: RedisServer) -> int:
    stats: Any = server.client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("rejected_calls", 0) for name in SCRIPTS)


SCRIPTS = ("eval", "evalsha")


def test_key_that_moved_before_its_slot_is_found(servers: RedisCluster, store: RedisStore) -> None:
    store.put(KEY, "", b"known", store.now(), ttl=60, stale_ttl=0)
    with slot_on_the_move(servers) as (giver, taker):
        giver.client.migrate("127.0.0.1", taker.port, entry_key(KEY), 0, 1000)
        found = store.get(KEY)
    assert found is not None
    assert found.body == b"known"


def test_command_waits_while_its_keys_are_being_moved(
    servers: RedisCluster,
) -> None:
    def connect(address: Address) -> redis.Redis:
        return redis.Redis(*address, **CLIENT_OPTIONS)

    seeds = [("127.0.0.1", server.port) for server in servers.masters()]
    patient = Cluster(seeds, connect, move_timeout=10)
    with closing(RedisStore(patient, Metrics())) as store, ThreadPoolExecutor() as threads:
        with slot_on_the_move(servers) as (_, taker):
            before = refusals(taker)
            turn = threads.submit(claim, store)
            eventually(lambda: refusals(taker) > before + 1)
        assert isinstance(turn.result(), LockAcquired)


def test_redirects_take_no_longer_than_a_silent_server(
    servers: RedisCluster, store: RedisStore
) -> None:
    with slot_on_the_move(servers), pytest.raises(StoreUnavailable, match=r"TryAgain|AskError"):
        claim(store)


@contextmanager
def no_failover(servers: RedisCluster) -> Iterator[None]:
    """No replica takes over from a silent master meanwhile."""
    set_everywhere(servers, "yes")
    yield
    set_everywhere(servers, "no")


def set_everywhere(servers: RedisCluster, no_failover: str) -> None:
    for server in servers.servers:
        server.client.config_set("cluster-replica-no-failover", no_failover)


def test_cluster_store_is_up_only_if_every_master_answers(
    servers: RedisCluster, store: RedisStore
) -> None:
    with no_failover(servers):
        for server in servers.masters():
            server.freeze()
            try:
                # The others may have noticed first.
                with pytest.raises(StoreUnavailable, match=r"[Tt]ime|[Dd]own"):
                    store.check()
            finally:
                server.thaw()
            eventually(servers.is_complete)
            eventually(lambda: answers(store))


def test_moved_slot_is_looked_up_once(servers: RedisCluster, store: RedisStore) -> None:
    with slot_on_the_move(servers) as (giver, _):
        pass
    before = refusals(giver)
    claim(store)
    claim(store)
    assert refusals(giver) == before + 1


def test_node_that_left_the_cluster_is_reported_as_cut_off(servers: RedisCluster) -> None:
    replica = next(server for server in servers.servers if server not in servers.masters())
    with closing(connections_to(servers.url)) as connections:
        connections.check_subscription(replica.client)
        replica.client.execute_command("CLUSTER RESET")  # type: ignore[no-untyped-call]
        with pytest.raises(redis.ConnectionError, match="cut off"):
            connections.check_subscription(replica.client)


def test_unreachable_cluster_error_gives_the_reason() -> None:
    with (
        closing(RedisStore(connections_to("redis+cluster://127.0.0.1:1"), Metrics())) as store,
        pytest.raises(StoreUnavailable, match=r"no node of the cluster answers: .*refused"),
    ):
        store.check()


def test_server_outside_cluster_mode_is_reported_as_such(redis_server: RedisServer) -> None:
    url = redis_server.url.replace("redis://", "redis+cluster://")
    with (
        closing(RedisStore(connections_to(url), Metrics())) as store,
        pytest.raises(StoreUnavailable, match="cluster support disabled"),
    ):
        store.check()
