"""An upstream that does not answer is left alone, and probed by one call at a time."""

import time

import pytest

from api.errors import AmadeusUnavailable
from api.services import circuit_breaker
from api.services.circuit_breaker import FAILURES_TO_OPEN, CircuitBreaker
from tests.processes import eventually

OPEN_SECONDS = 0.05


@pytest.fixture(autouse=True)
def _opens_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", OPEN_SECONDS)


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.admit()
        breaker.report(answered=False)
    return breaker


def admits(breaker: CircuitBreaker) -> bool:
    try:
        breaker.admit()
    except AmadeusUnavailable:
        return False
    return True


def test_it_opens_after_failures_in_a_row_alone() -> None:
    breaker = CircuitBreaker()
    for number in range(3 * FAILURES_TO_OPEN):
        breaker.admit()
        breaker.report(answered=number % 3 == 0)
    assert not breaker.is_open
    assert opened().is_open


def test_while_it_is_open_it_says_when_to_come_back() -> None:
    with pytest.raises(AmadeusUnavailable) as refused:
        opened().check()
    assert refused.value.retry_after == 1


def test_one_call_at_a_time_probes_however_long_it_takes() -> None:
    breaker = opened()
    eventually(lambda: admits(breaker))
    until = time.monotonic() + 3 * OPEN_SECONDS
    while time.monotonic() < until:
        assert not admits(breaker)


def test_a_probe_that_fails_keeps_it_open_for_as_long_again() -> None:
    breaker = opened()
    eventually(lambda: admits(breaker))
    breaker.report(answered=False)
    assert not admits(breaker)
    eventually(lambda: admits(breaker))


def test_a_probe_that_is_answered_closes_it() -> None:
    breaker = opened()
    eventually(lambda: admits(breaker))
    breaker.report(answered=True)
    assert not breaker.is_open
    assert admits(breaker)
    assert admits(breaker)
