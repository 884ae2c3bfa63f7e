"""Slots are given in the order of the requests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest

from api.services.slots import QueueTooLong, Slots
from tests.support.processes import eventually


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


def test_caller_with_too_long_an_expected_wait_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots, end = Slots(2, lambda: 0.0), threading.Event()
    slots.record(10)
    wait, waited = threading.Event.wait, set[threading.Thread]()

    def note_and_wait(event: threading.Event, timeout: float | None = None) -> bool:
        waited.add(threading.current_thread())
        return wait(event, timeout)

    def stay(_: int) -> None:
        with slots.hold():
            end.wait(5)

    with crowd(21, stay):
        monkeypatch.setattr(threading.Event, "wait", note_and_wait)
        with pytest.raises(QueueTooLong) as refused, slots.hold(max_wait=50):
            pass
        end.set()
    assert threading.current_thread() not in waited
    assert refused.value.seconds == 100  # two at a time, twenty with this one


@contextmanager
def all_taken(slots: Slots, number: int) -> Iterator[threading.Event]:
    """All slots are held until the event, or the end of the `with`."""
    end = threading.Event()

    def stay(_: int) -> None:
        with slots.hold():
            end.wait(5)

    with crowd(number, stay):
        yield end
        end.set()


def test_caller_waits_for_a_slot_no_longer_than_its_limit() -> None:
    slots = Slots(1)
    with slots.hold(), pytest.raises(QueueTooLong), slots.hold(max_wait=0.05):
        pass
    with slots.hold(max_wait=0):
        pass


def test_caller_is_refused_at_once_if_every_holder_has_just_begun() -> None:
    slots, begun = Slots(2), time.monotonic()
    slots.record(5)
    with all_taken(slots, 2), pytest.raises(QueueTooLong) as refused, slots.hold(max_wait=2):
        pass
    assert time.monotonic() - begun < 1
    assert refused.value.seconds >= 5


def test_queued_callers_are_refused_as_soon_as_it_shows_that_they_come_too_late() -> None:
    clock = Mock(return_value=0.0)
    slots, served, refused = Slots(2, clock), list[int](), list[int]()

    def come(number: int) -> None:
        try:
            with slots.hold(max_wait=0.4):
                served.append(number)
        except QueueTooLong:
            refused.append(number)

    with all_taken(slots, 2) as end, crowd(10, come):
        clock.return_value = 0.12  # a slot takes that long or longer, so five pairs take too long
        eventually(lambda: refused)
        end.set()
    assert served  # the first in the queue still come in time


def test_refused_caller_gets_a_slot_after_the_wait_that_it_was_told() -> None:
    slots = Slots(2)
    for _ in range(100):
        with slots.hold():
            pass  # a use without work tells nothing of the others

    def work(_: int) -> None:
        with slots.hold():
            time.sleep(1)

    with crowd(2, work):
        with pytest.raises(QueueTooLong) as refused, slots.hold(max_wait=0.4):
            pass
        time.sleep(refused.value.seconds)
        with slots.hold(max_wait=0.4):
            pass


def test_one_stuck_holder_does_not_empty_the_queue() -> None:
    clock = Mock(return_value=0.0)
    slots, served = Slots(2, clock), list[int]()
    slots.record(0.05)

    def work(number: int) -> None:
        with slots.hold(max_wait=0.5):
            served.append(number)
            time.sleep(0.05)

    with slots.hold():
        clock.return_value = 1.0
        with crowd(9, work):
            pass
    assert served == list(range(9))
