"""The number of requests per minute and client."""

import pytest

from api.access.rate_limit import ClientRateLimit
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rate_limit(clock: Clock, per_minute: int, workers: int = 1) -> ClientRateLimit:
    return ClientRateLimit(MemoryStore(Metrics(), clock=clock), "client", per_minute, workers)


def granted(limit: ClientRateLimit, client: str, times: int) -> int:
    return sum(limit.consume(client).retry_after is None for _ in range(times))


@pytest.mark.parametrize("per_minute", [1, 7, 60, 999])
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
