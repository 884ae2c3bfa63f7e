"""The circuit breaker holds calls back after failures, and lets one call at a time probe."""

import pytest

from api.errors import AmadeusUnavailable
from api.services.amadeus.circuit_breaker import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS,
    REMEMBERED_SECONDS,
    CircuitBreaker,
    UpstreamHealth,
)
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def closed(clock: Clock, metrics: Metrics) -> CircuitBreaker:
    return CircuitBreaker(metrics, clock=clock)


@pytest.fixture
def opened(closed: CircuitBreaker) -> CircuitBreaker:
    return fail(closed)


def fail(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(FAILURES_TO_OPEN):
        breaker.report(UpstreamHealth.FAILING, breaker.admit())
    return breaker


def open_workers(metrics: Metrics) -> float:
    (family,) = metrics.breaker_open.collect()
    return family.samples[0].value


def admits(breaker: CircuitBreaker) -> bool:
    try:
        breaker.admit()
    except AmadeusUnavailable:
        return False
    return True


def test_success_in_another_worker_does_not_close_the_circuit(
    opened: CircuitBreaker, clock: Clock
) -> None:
    opened.record(UpstreamHealth.QUOTA)
    assert not admits(opened)
    clock.now += OPEN_SECONDS
    opened.report(UpstreamHealth.OK, opened.admit())
    opened.record(UpstreamHealth.QUOTA)
    assert opened.health is UpstreamHealth.QUOTA


def test_circuit_opens_only_after_failures_in_a_row(closed: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN):
        closed.report(UpstreamHealth.FAILING, closed.admit())
        closed.report(UpstreamHealth.OK, closed.admit())
    assert closed.health is UpstreamHealth.OK
    assert fail(closed).health is UpstreamHealth.FAILING


def test_open_circuit_reports_when_to_retry(opened: CircuitBreaker, clock: Clock) -> None:
    clock.now += 2
    with pytest.raises(AmadeusUnavailable) as refused:
        opened.check()
    assert refused.value.retry_after == OPEN_SECONDS - 2


def test_circuit_metric_shows_the_end_of_the_open_time_without_calls(metrics: Metrics) -> None:
    breaker = fail(CircuitBreaker(metrics, open_seconds=0.5))
    assert open_workers(metrics) == 1

    eventually(lambda: open_workers(metrics) == 0)

    assert breaker.health is UpstreamHealth.FAILING
    assert admits(breaker)


def test_circuit_metric_shows_open_while_a_call_probes(
    opened: CircuitBreaker, clock: Clock, metrics: Metrics
) -> None:
    clock.now += OPEN_SECONDS
    opened.admit()

    assert open_workers(metrics) == 1


def test_upstream_health_is_ok_once_failures_are_outdated(
    opened: CircuitBreaker, clock: Clock
) -> None:
    clock.now += REMEMBERED_SECONDS + 1

    assert opened.health is UpstreamHealth.OK


@pytest.mark.parametrize("error_reply", [UpstreamHealth.MISCONFIGURED, UpstreamHealth.QUOTA])
def test_single_rejection_of_all_calls_is_reported(
    closed: CircuitBreaker, error_reply: UpstreamHealth
) -> None:
    closed.report(error_reply, closed.admit())

    assert closed.health is error_reply
    assert admits(closed)


def test_only_one_call_at_a_time_probes_an_open_circuit(
    opened: CircuitBreaker, clock: Clock
) -> None:
    clock.now += OPEN_SECONDS
    opened.admit()
    clock.now += 3 * OPEN_SECONDS

    assert not admits(opened)


def test_failed_probe_keeps_the_circuit_open_for_another_period(
    opened: CircuitBreaker, clock: Clock
) -> None:
    clock.now += OPEN_SECONDS
    opened.report(UpstreamHealth.FAILING, opened.admit())
    clock.now += OPEN_SECONDS - 0.001
    assert not admits(opened)
    clock.now += 0.001
    assert admits(opened)


def test_answered_probe_closes_the_circuit(opened: CircuitBreaker, clock: Clock) -> None:
    clock.now += OPEN_SECONDS
    opened.report(UpstreamHealth.OK, opened.admit())

    assert admits(opened)
    assert admits(opened)


def late_call(breaker: CircuitBreaker) -> int:
    """A call that was admitted before the circuit opened."""
    before, *admitted = [breaker.admit() for _ in range(FAILURES_TO_OPEN + 1)]
    for each in admitted:
        breaker.report(UpstreamHealth.FAILING, each)
    return before


def test_late_report_admits_no_second_probe(closed: CircuitBreaker, clock: Clock) -> None:
    before = late_call(closed)
    clock.now += OPEN_SECONDS
    closed.admit()

    closed.report(UpstreamHealth.OK, before)

    assert not admits(closed)


def test_late_failure_does_not_extend_the_open_time(closed: CircuitBreaker, clock: Clock) -> None:
    before = late_call(closed)
    clock.now += OPEN_SECONDS

    closed.report(UpstreamHealth.FAILING, before)

    assert admits(closed)
