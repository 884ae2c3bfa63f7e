"""Slots are given in the order of the requests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from api.services.slots import QueueTooLong, Slots


@contextmanager
def crowd(number: int, come: Callable[[int], None]) -> Iterator[list[threading.Thread]]:
    """Threads that start one after the other."""
    threads = [threading.Thread(target=come, args=[each]) for each in range(number)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    yield threads
    for thread in threads:
        thread.join(5)


def test_number_of_holders_never_exceeds_the_slots() -> None:
    slots, inside = Slots(3), threading.Semaphore(3)
    got_in = list[bool]()

    def come(_: int) -> None:
        with slots.hold():
            got_in.append(inside.acquire(blocking=False))
            time.sleep(0.02)
            inside.release()

    with crowd(12, come):
        pass
    assert got_in == [True] * 12


def test_free_slot_goes_to_the_longest_waiter() -> None:
    slots, order = Slots(1), list[int]()

    def come(number: int) -> None:
        with slots.hold():
            order.append(number)
            time.sleep(0.02)

    with crowd(8, come):
        pass
    assert order == list(range(8))


def test_caller_with_too_long_an_expected_wait_is_refused_at_once() -> None:
    slots, end = Slots(2), threading.Event()
    with slots.hold():
        time.sleep(0.1)  # establishes the usual duration

    def stay(_: int) -> None:
        with slots.hold():
            end.wait(5)

    with crowd(21, stay):
        begun = time.monotonic()
        with pytest.raises(QueueTooLong) as refused, slots.hold(max_wait=0.5):
            pass
        assert time.monotonic() - begun < 0.1
        end.set()
    assert 0.9 < refused.value.seconds < 3  # two at a time, twenty with this one


def test_caller_waits_for_a_slot_no_longer_than_its_limit() -> None:
    slots = Slots(1)
    with slots.hold(), pytest.raises(QueueTooLong), slots.hold(max_wait=0.05):
        pass
    with slots.hold(max_wait=0):
        pass
