"""The distance between pacing turns allows for calls that are slightly late."""

from itertools import count

import pytest

from api.services.amadeus.pacing import interval
from protocol.errors import AmadeusError
from sandbox.config import RateLimit
from sandbox.state.rate_limits import Limits


def refusals(limit: RateLimit, turn: float, late: float) -> int:
    """The number of refused calls out of 400, if every third arrives late."""
    times = (number * turn + (number % 3 == 0) * late for number in count())
    limits = Limits(limit, None, monotonic=lambda: next(times))
    refused = 0
    for _ in range(400):
        try:
            limits.admit("somebody")
        except AmadeusError:
            refused += 1
    return refused


@pytest.mark.parametrize(
    ("limit", "rate", "late"), [("test", 10.0, 0.019), ("production", 40.0, 0.099)]
)
def test_slightly_late_call_keeps_its_distance_from_other_calls(
    limit: RateLimit, rate: float, late: float
) -> None:
    assert refusals(limit, interval(rate), late) == 0
    assert refusals(limit, 1 / rate, late) > 0


@pytest.mark.parametrize(("rate", "share"), [(0.5, 0.98), (5.0, 0.9), (10.0, 0.8), (40.0, 0.9)])
def test_pacing_uses_most_of_the_rate_limit(rate: float, share: float) -> None:
    assert share < 1 / interval(rate) / rate < 1
