"""Time limits on a busy worker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest

from api.services.deadline import within


@contextmanager
def busy(seconds: float) -> Iterator[None]:
    """Make each turn of the event loop take this long."""

    def work() -> None:
        while True:
            time.sleep(seconds)
            gevent.sleep(0.001)

    worker = gevent.spawn(work)
    try:
        yield
    finally:
        worker.kill()


def test_short_waits_for_a_new_connection_stay_within_the_limit_on_a_busy_worker() -> None:
    with busy(0.05), within(0.1):
        for _ in range(15):
            gevent.sleep(0.001)  # a round trip, which the busy worker notices late


def test_silent_server_is_timed_out() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError), within(0.1):
        gevent.sleep(5)
    assert 0.1 <= time.monotonic() - begun < 0.5


def test_silent_server_is_timed_out_on_a_busy_worker_too() -> None:
    begun = time.monotonic()
    with busy(0.02), pytest.raises(TimeoutError), within(0.1):
        gevent.sleep(5)
    assert time.monotonic() - begun < 1


def test_wait_without_time_left_ends_before_it_begins() -> None:
    with pytest.raises(TimeoutError), within(0):
        pytest.fail("the block was entered")


def test_nested_deadline_ends_only_its_own_block() -> None:
    with within(5):
        with pytest.raises(TimeoutError, match=r"0\.05 s"), within(0.05):
            gevent.sleep(5)
        gevent.sleep(0.01)


def test_unrelated_timeout_is_not_caught() -> None:
    with gevent.Timeout(0.05) as other, pytest.raises(gevent.Timeout) as raised, within(5):
        gevent.sleep(5)
    assert raised.value is other
