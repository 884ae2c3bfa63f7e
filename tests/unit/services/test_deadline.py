"""The time that an answer may take, while the worker has other things to do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest

from api.services.deadline import within


@contextmanager
def busy(seconds: float) -> Iterator[None]:
    """Each turn of the loop takes so long."""

    def work() -> None:
        while True:
            time.sleep(seconds)
            gevent.sleep(0.001)

    worker = gevent.spawn(work)
    yield
    worker.kill()


def test_answer_of_several_round_trips_counts_on_a_busy_worker() -> None:
    with busy(0.05), within(0.1):
        for _ in range(5):
            gevent.sleep(0.001)  # a round trip, after which the worker looks late


def test_silence_ends_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError), within(0.1):
        gevent.sleep(5)
    assert 0.1 <= time.monotonic() - begun < 0.5


def test_silence_ends_on_a_busy_worker_too() -> None:
    begun = time.monotonic()
    with busy(0.02), pytest.raises(TimeoutError), within(0.1):
        gevent.sleep(5)
    assert time.monotonic() - begun < 1


def test_limit_within_another_ends_its_own_block_alone() -> None:
    with within(5):
        with pytest.raises(TimeoutError, match=r"0\.05 s"), within(0.05):
            gevent.sleep(5)
        gevent.sleep(0.01)


def test_timeout_of_somebody_else_passes_through() -> None:
    with gevent.Timeout(0.05) as other, pytest.raises(gevent.Timeout) as raised, within(5):
        gevent.sleep(5)
    assert raised.value is other
