"""The number of requests per minute and client."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.access.rate_limit import BATCH_SECONDS, ClientRateLimit
from api.services.cache.entries import Turns
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class SharedStore(MemoryStore):
    """A store that all workers share, and that counts their calls."""

    calls = 0

    def take_turns(
        self, key: str, interval: float, max_wait: float, _worker_count: int, *counts: Any
    ) -> Turns:
        self.calls += 1
        return super().take_turns(key, interval, max_wait, 1, *counts)


class Fleet:
    """Workers of several replicas that share a store; four workers in each replica."""

    def __init__(self, per_minute: int, workers: int) -> None:
        self.clock = Clock()
        self.store = SharedStore(Metrics(), clock=self.clock)
        self.workers = [
            ClientRateLimit(self.store, "client", per_minute, 4) for _ in range(workers)
        ]


class Exact:
    """A token bucket that counts exactly: it says whether a client got more than its limit."""

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute, self.tokens, self.now = per_minute, float(per_minute), now

    def take(self, now: float) -> float:
        """Take a token and return what is left, below zero if there was none."""
        refill = (now - self.now) * self.per_minute / 60
        self.tokens, self.now = min(self.per_minute, self.tokens + refill), now
        self.tokens -= 1
        return self.tokens


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rate_limit(clock: Clock, per_minute: int, workers: int = 1) -> ClientRateLimit:
    return ClientRateLimit(MemoryStore(Metrics(), clock=clock), "client", per_minute, workers)


def granted(limit: ClientRateLimit, client: str, times: int) -> int:
    return sum(limit.consume(client).retry_after is None for _ in range(times))


@pytest.mark.parametrize("per_minute", [1, 7, 60, 399])
def test_burst_of_one_minutes_requests_is_allowed_and_no_more(
    clock: Clock, per_minute: int
) -> None:
    assert granted(rate_limit(clock, per_minute), "a", 2 * per_minute) == per_minute


def test_clients_have_separate_limits(clock: Clock) -> None:
    limit = rate_limit(clock, 3)

    assert (granted(limit, "a", 5), granted(limit, "b", 5)) == (3, 3)


def test_requests_are_granted_again_one_by_one(clock: Clock) -> None:
    limit = rate_limit(clock, 6)
    granted(limit, "a", 6)

    clock.now += 20  # two intervals of ten seconds

    assert granted(limit, "a", 6) == 2


def test_refused_client_is_served_after_the_retry_after_time(clock: Clock) -> None:
    limit = rate_limit(clock, 6)
    granted(limit, "a", 6)
    wait = limit.consume("a").retry_after or 0

    assert wait == pytest.approx(9, abs=0.1)
    clock.now += wait - 0.1
    assert limit.consume("a").retry_after is not None
    clock.now += 0.2
    assert limit.consume("a").retry_after is None


def test_remaining_requests_are_reported(clock: Clock) -> None:
    limit = rate_limit(clock, 6)

    told = [(result.remaining, result.reset) for result in (limit.consume("a") for _ in "123")]

    assert told == [(5, 10), (4, 20), (3, 30)]


@pytest.mark.parametrize("workers", [1, 4, 7])
def test_reported_remaining_requests_are_exactly_those_granted(clock: Clock, workers: int) -> None:
    limit = rate_limit(clock, 60, workers)

    told = limit.consume("a").remaining

    assert granted(limit, "a", 60) == told


def test_workers_without_redis_each_grant_a_share_of_the_limit(clock: Clock) -> None:
    assert granted(rate_limit(clock, 60, workers=4), "a", 60) == 15


BURSTS = st.lists(
    st.tuples(
        st.integers(0, 11),  # the worker
        st.integers(1, 600),  # its requests
        st.sampled_from([0, 0.001, 0.01, 0.1, BATCH_SECONDS, 1, 30]),  # seconds before them
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(per_minute=st.sampled_from([10, 600, 2_000, 6_000]), bursts=BURSTS)
def test_client_never_gets_more_than_its_limit_over_all_workers(
    per_minute: int, bursts: list[tuple[int, int, float]]
) -> None:
    fleet = Fleet(per_minute, 12)
    exact = Exact(per_minute, fleet.clock.now)

    for worker, requests, pause in bursts:
        fleet.clock.now += pause
        for _ in range(granted(fleet.workers[worker], "a", requests)):
            assert exact.take(fleet.clock.now) > -0.2  # a tenth of a turn is for rounding


@pytest.mark.parametrize(("pause", "count"), [(0.24, 1), (0.24, 12), (0.26, 12), (30, 12)])
def test_turns_that_workers_hold_unused_give_a_client_no_more_than_its_limit(
    pause: float, count: int
) -> None:
    fleet = Fleet(6_000, count + 1)
    exact = Exact(6_000, fleet.clock.now)

    def ask(worker: ClientRateLimit, times: int) -> None:
        for _ in range(granted(worker, "a", times)):
            assert exact.take(fleet.clock.now) > -0.2

    *holders, other = fleet.workers
    for worker in holders:
        ask(worker, 8)  # the fourth batch, of seven turns, begins with the last of these
    fleet.clock.now += pause
    ask(other, 7_000)
    for worker in holders:
        ask(worker, 10)


@settings(max_examples=20)
@given(
    per_minute=st.sampled_from([10, 99, 600, 2_000, 6_000]),
    workers=st.integers(1, 12),
    seed=st.integers(),
)
def test_client_gets_at_most_3_percent_less_than_its_limit_over_all_workers(
    per_minute: int, workers: int, seed: int
) -> None:
    fleet, random = Fleet(per_minute, workers), Random(seed)
    got, step = 0, 1.2 * per_minute / 60 * 0.05  # requests of a client that sends too many

    for at in range(1200):  # a minute
        fleet.clock.now += 0.05
        for _ in range(per_minute + 1 if at == 0 else round(step * (at + 1)) - round(step * at)):
            got += fleet.workers[random.randrange(workers)].consume("a").retry_after is None

    assert got >= 0.97 * per_minute + 0.97 * per_minute * (1 - 1 / 60) - 1


def test_busy_client_costs_few_calls_of_the_store() -> None:
    fleet = Fleet(600_000, 2)

    for number in range(10_000):  # a second
        fleet.clock.now += 0.000_1
        assert fleet.workers[number % 2].consume("a").retry_after is None

    assert fleet.store.calls < 100


def test_small_limit_is_counted_request_by_request() -> None:
    fleet = Fleet(10, 12)

    assert sum(granted(worker, "a", 1) for worker in fleet.workers) == 10


def test_worker_returns_the_turns_that_it_did_not_use(clock: Clock) -> None:
    limit = rate_limit(clock, 6_000, workers=1)
    before = [limit.consume("a").remaining for _ in range(2_972)][-1]
    clock.now += BATCH_SECONDS  # 25 turns

    assert limit.consume("a").remaining == pytest.approx(before + 24, abs=1)


def test_reported_remaining_requests_of_a_large_limit_are_exactly_those_granted(
    clock: Clock,
) -> None:
    limit = rate_limit(clock, 6_000)

    told = [limit.consume("a").remaining for _ in range(100)]

    assert told == list(range(told[0], told[0] - 100, -1))
    assert granted(limit, "a", 6_000) == told[-1]


def test_refused_client_of_a_large_limit_is_served_after_the_retry_after_time(
    clock: Clock,
) -> None:
    limit = rate_limit(clock, 6_000)
    granted(limit, "a", 6_000)
    wait = limit.consume("a").retry_after or 0

    clock.now += wait - 0.001
    assert limit.consume("a").retry_after is not None
    clock.now += 0.002
    assert limit.consume("a").retry_after is None
