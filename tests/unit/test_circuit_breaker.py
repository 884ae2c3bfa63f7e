"""An upstream that does not answer is left alone, and probed by one call at a time."""

import threading
import time
from collections.abc import Iterator

import pytest

from api import metrics
from api.errors import AmadeusUnavailable
from api.services import circuit_breaker
from api.services.circuit_breaker import FAILURES_TO_OPEN, CircuitBreaker, Standing
from tests.processes import eventually

OPEN_SECONDS = 0.05


@pytest.fixture(autouse=True)
def _opens_shortly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", OPEN_SECONDS)
    yield
    # All breakers of a process have one metric, so none leaves its end to the next test.
    eventually(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()))


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.report(Standing.FAILING, breaker.admit())
    return breaker


def open_workers() -> float:
    (family,) = metrics.BREAKER_OPEN.collect()
    return family.samples[0].value


def admission(breaker: CircuitBreaker) -> int | None:
    try:
        return breaker.admit()
    except AmadeusUnavailable:
        return None


def admits(breaker: CircuitBreaker) -> bool:
    return admission(breaker) is not None


def probe(breaker: CircuitBreaker) -> int:
    """What the first call after the opening is admitted as."""
    return eventually(lambda: admission(breaker))


def test_what_another_worker_was_told_closes_no_circuit() -> None:
    breaker = opened()
    breaker.hear(Standing.QUOTA)
    assert not admits(breaker)
    breaker.report(Standing.OK, probe(breaker))
    breaker.hear(Standing.QUOTA)
    assert breaker.standing is Standing.QUOTA


def test_it_opens_after_failures_in_a_row_alone() -> None:
    breaker = CircuitBreaker()
    for number in range(3 * FAILURES_TO_OPEN):
        breaker.report(Standing.FAILING if number % 3 else Standing.OK, breaker.admit())
    assert breaker.standing is Standing.OK
    assert opened().standing is Standing.FAILING


def test_while_it_is_open_it_says_when_to_come_back() -> None:
    with pytest.raises(AmadeusUnavailable) as refused:
        opened().check()
    assert refused.value.retry_after == 1


def test_when_its_time_is_over_the_metric_says_so_though_nobody_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", 1)
    breaker = opened()
    assert open_workers() == 1

    eventually(lambda: open_workers() == 0)

    assert breaker.standing is Standing.FAILING
    assert admits(breaker)


def test_while_a_call_probes_the_metric_says_that_others_are_held_back() -> None:
    breaker = opened()
    probe(breaker)

    assert open_workers() == 1


def test_what_was_seen_long_ago_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "REMEMBERED_SECONDS", 0)

    assert opened().standing is Standing.OK


@pytest.mark.parametrize("refusal", [Standing.MISCONFIGURED, Standing.QUOTA])
def test_one_refusal_of_all_calls_is_enough(refusal: Standing) -> None:
    breaker = CircuitBreaker()
    breaker.report(refusal, breaker.admit())

    assert breaker.standing is refusal
    assert admits(breaker)


def test_one_call_at_a_time_probes_however_long_it_takes() -> None:
    breaker = opened()
    probe(breaker)
    until = time.monotonic() + 3 * OPEN_SECONDS
    while time.monotonic() < until:
        assert not admits(breaker)


def test_a_probe_that_fails_keeps_it_open_for_as_long_again() -> None:
    breaker = opened()
    breaker.report(Standing.FAILING, probe(breaker))
    assert not admits(breaker)
    eventually(lambda: admits(breaker))


def test_a_probe_that_is_answered_closes_it() -> None:
    breaker = opened()
    breaker.report(Standing.OK, probe(breaker))
    assert admits(breaker)
    assert admits(breaker)


def late() -> tuple[CircuitBreaker, int]:
    """One that has opened, and a call that it admitted before."""
    breaker = CircuitBreaker()
    admitted = [breaker.admit() for _ in range(FAILURES_TO_OPEN + 1)]
    for one in admitted[1:]:
        breaker.report(Standing.FAILING, one)
    return breaker, admitted[0]


def test_a_late_report_lets_no_second_call_probe() -> None:
    breaker, before = late()
    probe(breaker)

    breaker.report(Standing.OK, before)

    assert not admits(breaker)


def test_a_late_failure_keeps_it_open_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker, before = late()
    eventually(lambda: open_workers() == 0)
    monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", 0.5)

    breaker.report(Standing.FAILING, before)

    assert admits(breaker)
