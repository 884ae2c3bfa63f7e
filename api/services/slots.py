"""A limit on how many threads do something at once, with a queue for the others."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

# Weight of the latest use in the moving average of how long a slot is held.
WEIGHT: Final = 0.1
# How often a caller in the queue checks whether it can still get a slot in time.
CHECKS: Final = 5


class QueueTooLong(Exception):
    """No slot is free in time. seconds: expected wait for one."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Slots:
    """A fixed number of slots, given to callers in the order of their arrival."""

    def __init__(self, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Create free slots. clock: returns seconds and never goes back."""
        self._number = number
        self._clock = clock
        self._lock = threading.Lock()
        # Maps each holder to the start of its use; the oldest comes first.
        self._holders: dict[threading.Event, float] = {}
        self._queue: deque[threading.Event] = deque()
        # Seconds that a typical use took; 0.0 before the first.
        self.average_hold = 0.0

    @property
    def has_free(self) -> bool:
        """Whether a slot is free now."""
        return len(self._holders) < self._number

    @contextmanager
    def hold(self, max_wait: float | None = None) -> Iterator[None]:
        """Hold a slot during the block.

        Raises QueueTooLong as soon as no slot can be expected within `max_wait` seconds.
        """
        turn = threading.Event()
        try:
            self._acquire(turn, max_wait)
            yield
        finally:
            self._release(turn)

    def record(self, seconds: float) -> None:
        """Record how long a typical use took."""
        weight = WEIGHT if self.average_hold else 1
        self.average_hold += (seconds - self.average_hold) * weight

    def _acquire(self, turn: threading.Event, max_wait: float | None) -> None:
        give_up = None if max_wait is None else self._clock() + max_wait
        with self._lock:
            if len(self._holders) < self._number:
                self._holders[turn] = self._clock()
                return
            self._queue.append(turn)
            self._raise_if_late(turn, give_up)
        while not turn.wait(None if max_wait is None else max_wait / CHECKS):
            with self._lock:
                self._raise_if_late(turn, give_up)

    def _raise_if_late(self, turn: threading.Event, give_up: float | None) -> None:
        if give_up is None or turn not in self._queue:
            return
        if self._clock() + self._expected_wait(self._queue.index(turn)) >= give_up:
            raise QueueTooLong(
                max(self._expected_hold(), self._expected_wait(len(self._queue) - 1))
            )

    def _expected_hold(self) -> float:
        """Return the average use, or the median of the present ones if that is longer already.

        The longest present use is no measure: one stuck call would make all waiters give up.
        """
        median = list(self._holders.values())[len(self._holders) // 2]
        return max(self.average_hold, self._clock() - median)

    def _expected_wait(self, position: int) -> float:
        """Return the seconds until a caller at this position of the queue gets a slot."""
        rounds, holder = divmod(position, self._number)
        hold, started = self._expected_hold(), list(self._holders.values())[holder]
        return max(0.0, started + hold - self._clock()) + rounds * hold

    def _release(self, turn: threading.Event) -> None:
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
            elif self._holders.pop(turn, None) is not None and self._queue:
                successor = self._queue.popleft()
                self._holders[successor] = self._clock()
                successor.set()
