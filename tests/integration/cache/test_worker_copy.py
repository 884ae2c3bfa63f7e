"""The worker's copy beside Redis: what it accepts, and what survives an outage."""

from collections.abc import Callable, Iterator
from contextlib import closing
from unittest.mock import Mock

import pytest

from api.errors import AmadeusTimeout, dump_upstream_error
from api.services.cache.entries import Entry
from api.services.cache.layered_store import LayeredStore
from api.services.cache.lifetimes import Lifetimes
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.requests import CacheRequest, FetchedValue, Outcome
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer

STALE_TTL = 86400.0
# The number of real-sized prices that a copy holds.
MAX_PRICES = 11_000


class EventfulRedis(RedisStore):
    """Runs something before a put or while its reply is on its way, or fails the next check."""

    before: Callable[[], object] = staticmethod(lambda: None)
    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    failing_checks = 0

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        self.before()
        entry = super().put(key, owner, body, fetched_at, ttl, stale_ttl)
        self.meanwhile()
        return entry

    def check(self) -> None:
        if self.failing_checks:
            self.failing_checks -= 1
            raise ValueError("nobody thought of this")
        super().check()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may kill or change."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def shared(server: RedisServer) -> EventfulRedis:
    return EventfulRedis(connections_to(server.url), Metrics())


@pytest.fixture
def store(shared: EventfulRedis) -> Iterator[LayeredStore]:
    store = LayeredStore(shared, STALE_TTL, Metrics())
    store.start()
    yield store
    store.close()


def answers_itself(store: LayeredStore, server: RedisServer) -> bool:
    """Whether the copy is in use: a second read sends Redis no command."""
    store.put("known", "", b"body", store.now(), 600, 60)
    gets = server.calls("get")
    store.get("known")
    return server.calls("get") == gets


def subscriptions(server: RedisServer) -> set[str]:
    """The ids of the connections that subscribe to announcements."""
    return {client["id"] for client in server.client.client_list(_type="pubsub")}


def test_late_reply_does_not_overwrite_a_newer_price(
    store: LayeredStore, shared: EventfulRedis, server: RedisServer
) -> None:
    def lose_the_news() -> None:
        shared.meanwhile = lambda: None
        lost = subscriptions(server)
        server.client.client_kill_filter(_type="pubsub")
        with closing(RedisStore(connections_to(server.url), Metrics())) as another:
            another.put("key", "", b"newer", now + 0.1, 600, 60)
        eventually(lambda: subscriptions(server) - lost)
        eventually(lambda: answers_itself(store, server))

    eventually(lambda: answers_itself(store, server))
    now = store.time()
    shared.meanwhile = lose_the_news
    store.put("key", "", b"older", now, 600, 60)
    found = store.get("key")
    assert found is not None
    assert found.body == b"newer"


def test_success_removes_an_earlier_failure_in_an_outage_too(
    store: LayeredStore, server: RedisServer
) -> None:
    def fail_and_succeed_before_an_outage() -> None:
        store.fail("key", "me", dump_upstream_error(AmadeusTimeout("too late")), 60, 1)
        if not server.is_running:
            server.start()
            eventually(lambda: store.is_up and answers_itself(store, server))
        store.put("key", "me", b"body", store.time(), 600, 60)
        server.kill()
        assert store.failure_marker("key") is None

    fail_and_succeed_before_an_outage()
    fail_and_succeed_before_an_outage()


def test_redis_is_used_again_after_an_unexpected_error(
    shared: EventfulRedis, server: RedisServer
) -> None:
    with closing(LayeredStore(shared, 3600, Metrics())) as store:

        def has_recovered() -> bool:
            return not shared.failing_checks and store.is_up and answers_itself(store, server)

        shared.failing_checks = 1
        store.start()
        eventually(has_recovered)
        shared.failing_checks = 1
        server.client.client_kill_filter(_type="pubsub")
        eventually(has_recovered)
        server.freeze()
        store.get("key")
        shared.failing_checks = 1
        server.thaw()
        eventually(has_recovered)


def test_copy_keeps_outage_entries_for_the_whole_stale_time(server: RedisServer) -> None:
    brief = Lifetimes(handover=0.001)
    shared = RedisStore(connections_to(server.url), Metrics(), lifetimes=brief)
    with closing(LayeredStore(shared, STALE_TTL, Metrics())) as store:
        store.start()
        eventually(lambda: answers_itself(store, server))
        for age in (2 * 3600, STALE_TTL + 601):
            store.put(f"{age:.0f} s ago", "", b"body", store.time() - age, 600, STALE_TTL)

        server.kill()

        assert store.get("7200 s ago") is not None
        # An announcement that was on its way when Redis ended is kept for a thousandth of a second.
        eventually(lambda: store.get("87001 s ago") is None)


def test_worker_shares_every_outage_entry_of_its_copy_afterwards(
    store: LayeredStore, server: RedisServer
) -> None:
    server.kill()
    for number in range(MAX_PRICES):
        store.put(f"price {number}", "", b"x" * 151, store.now(), 600, 60)
    server.start()

    eventually(lambda: store.is_up, within=60)

    assert len(server.keys("*price *")) == MAX_PRICES


def test_stored_price_is_not_replaced_by_an_older_one_in_an_outage(
    store: LayeredStore, shared: EventfulRedis, server: RedisServer
) -> None:
    def lose_redis() -> None:
        server.kill()
        eventually(lambda: not store.is_up)

    eventually(lambda: answers_itself(store, server))
    now = store.time()
    store.put("key", "", b"older", now - 1, 600, 60)
    shared.before = lambda: server.client.client_kill_filter(_type="pubsub")
    shared.meanwhile = lose_redis
    store.put("key", "", b"newer", now, 600, 60)

    entry = store.get("key")
    assert entry is not None
    assert entry.body == b"newer"


def read(store: LayeredStore, key: str, fetch: Mock) -> tuple[Outcome, bytes]:
    """Read an entry through the cache; return how it was found, and its body."""
    request = CacheRequest(key, fetch, lambda _event, _entry: None, stale_ttl=3600)
    result = ReadThrough(store, fetch_timeout=5).read(request, Deadline(5))
    return result.outcome, result.entry.body


def test_fetch_of_an_unknown_entry_takes_two_calls_of_redis(server: RedisServer) -> None:
    connections, fetch = connections_to(server.url), Mock(return_value=FetchedValue(b"new", 600))
    with closing(LayeredStore(RedisStore(connections, Metrics()), STALE_TTL, Metrics())) as store:
        store.start()
        eventually(lambda: answers_itself(store, server))
        read(store, "another", fetch)  # loads the scripts
        connections.run = run = Mock(wraps=connections.run)  # type: ignore[method-assign]
        assert read(store, "unknown", fetch) == (Outcome.MISS, b"new")
    calls = [each.args for each in run.call_args_list if "unknown" in each.args[0]]
    assert [command for _, command, *_ in calls] == ["EVALSHA", "EVALSHA"]


@pytest.mark.parametrize(
    ("age", "has_failed", "outcome"),
    [(1, False, Outcome.HIT), (1, True, Outcome.HIT), (700, True, Outcome.STALE)],
)
def test_entry_from_before_the_copy_is_served_without_a_fetch(
    server: RedisServer, shared: EventfulRedis, age: float, has_failed: bool, outcome: Outcome
) -> None:
    shared.put("old", "", b"old", shared.time() - age, 600, 3600)
    if has_failed:
        shared.fail("old", "", dump_upstream_error(AmadeusTimeout("too late")), 0, 1)
    fetch = Mock(side_effect=AmadeusTimeout("too late"))
    with closing(LayeredStore(shared, STALE_TTL, Metrics())) as store:
        store.start()
        eventually(lambda: answers_itself(store, server))
        assert read(store, "old", fetch) == (outcome, b"old")
    fetch.assert_not_called()
