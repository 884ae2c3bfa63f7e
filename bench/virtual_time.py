"""A virtual clock that jumps from one event to the next, for the read-through cache.

An hour of requests takes seconds. The code is the real one: only `time`, `threading`, `_thread` and
the timer of its `TTLCache` are replaced.
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
from api.services.cache import demand, fetches, read_through, single_flight


class VirtualTime:
    """A scheduler of greenlets. Times are in seconds since the start."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._number = count()

    def now(self) -> float:
        """Return the current time."""
        return self._now

    def at(self, moment: float, work: Callable[[], object]) -> None:
        """Schedule work at a moment that is not in the past. The work may sleep and wait."""
        self._resume_at(moment, lambda: greenlet(work, self._loop).switch())

    def sleep(self, seconds: float) -> None:
        """Suspend the caller."""
        self._resume_at(self._now + seconds, getcurrent().switch)
        self._loop.switch()

    def run(self) -> None:
        """Run the scheduled work in order until none is left."""
        self._loop = getcurrent()
        while self._due:
            self._now, _, resume = heapq.heappop(self._due)
            resume()

    def wait(self, event: "Event", timeout: float) -> None:
        """Suspend the caller until the event is set, at most for `timeout` seconds."""
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
        """Resume all that wait for the event."""
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
    """Replace the read-through's clock by a virtual one while the context is active."""
    clock = VirtualTime()
    timing = SimpleNamespace(monotonic=clock.now, sleep=clock.sleep)
    threads = SimpleNamespace(
        Event=partial(Event, clock),
        Thread=partial(Thread, clock),
        Lock=threading.Lock,
        BoundedSemaphore=threading.BoundedSemaphore,
    )
    start = SimpleNamespace(start_new_thread=lambda run, args: Thread(clock, run, args).start())
    with ExitStack() as stack:
        stack.enter_context(patch.object(deadline, "time", timing))
        stack.enter_context(patch.object(fetches, "time", timing))
        stack.enter_context(patch.object(fetches, "_thread", start))
        for module in (single_flight, fetches, read_through, demand):
            stack.enter_context(patch.object(module, "threading", threads))
        stack.enter_context(
            patch.object(read_through, "TTLCache", partial(TTLCache, timer=clock.now))
        )
        yield clock
