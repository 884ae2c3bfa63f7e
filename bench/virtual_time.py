"""A clock that jumps from one event to the next, and the read-through on it.

An hour of requests passes in seconds, and the code that runs is the real one: only `time`,
`threading` and the timer of its memory are exchanged.
"""

import heapq
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from cachetools import TTLCache
from greenlet import getcurrent, greenlet

from api.services import deadline
from api.services.cache import read_through, single_flight


class VirtualTime:
    """Runs pieces of work, each at its moment. Seconds since the start."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._number = count()

    def now(self) -> float:
        """What the clock shows."""
        return self._now

    def at(self, moment: float, work: Callable[[], object]) -> None:
        """Have some work done, which may sleep and wait, at a moment that is not past."""
        self._resume_at(moment, lambda: greenlet(work, self._loop).switch())

    def sleep(self, seconds: float) -> None:
        """Let that much time pass for the caller."""
        self._resume_at(self._now + seconds, getcurrent().switch)
        self._loop.switch()

    def run(self) -> None:
        """Do everything that is due, in order, until nothing is."""
        self._loop = getcurrent()
        while self._due:
            self._now, _, resume = heapq.heappop(self._due)
            resume()

    def wait(self, event: "Event", timeout: float) -> None:
        """Let time pass until the event is set, and no more than `timeout`."""
        waiting = [getcurrent()]

        def resume() -> None:
            if waiting:
                waiting.pop().switch()

        event.waiting.append(resume)
        self._resume_at(self._now + timeout, resume)
        self._loop.switch()

    def _resume_at(self, moment: float, resume: Callable[[], object]) -> None:
        heapq.heappush(self._due, (moment, next(self._number), resume))

    def wake(self, event: "Event") -> None:
        """Let all who wait for the event go on."""
        for resume in event.waiting:
            self._resume_at(self._now, resume)
        event.waiting.clear()


class Event:
    """`threading.Event` in virtual time."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock = clock
        self._is_set = False
        self.waiting: list[Callable[[], None]] = []

    def set(self) -> None:
        """As `threading.Event.set`."""
        self._is_set = True
        self._clock.wake(self)

    def wait(self, timeout: float) -> bool:
        """As `threading.Event.wait`."""
        if not self._is_set:
            self._clock.wait(self, timeout)
        return self._is_set


class Thread:
    """`threading.Thread` in virtual time."""

    def __init__(
        self,
        clock: VirtualTime,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        **_: object,
    ) -> None:
        self._clock = clock
        self._target = partial(target, *args)

    def start(self) -> None:
        """As `threading.Thread.start`."""
        self._clock.at(self._clock.now(), self._target)


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """The clock that the read-through lives by, for as long as the `with` lasts."""
    clock = VirtualTime()
    timing = SimpleNamespace(monotonic=clock.now, sleep=clock.sleep)
    threads = SimpleNamespace(
        Event=partial(Event, clock),
        Thread=partial(Thread, clock),
        Lock=threading.Lock,
        BoundedSemaphore=threading.BoundedSemaphore,
    )
    with ExitStack() as stack:
        stack.enter_context(patch.object(deadline, "time", timing))
        stack.enter_context(patch.object(read_through, "time", timing))
        for module in (single_flight, read_through):
            stack.enter_context(patch.object(module, "threading", threads))
        stack.enter_context(
            patch.object(read_through, "TTLCache", partial(TTLCache, timer=clock.now))
        )
        yield clock
