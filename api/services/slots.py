"""A limit on how many threads do something at once, with a queue for the others."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Weight of the latest use in the moving average of how long a slot is held.
WEIGHT: Final = 0.1


class QueueTooLong(Exception):
    """No slot is free in time. seconds: expected wait for one."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Slots:
    """A fixed number of slots, given to threads in the order of their arrival."""

    def __init__(self, number: int) -> None:
        self._number = self._free = number
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._average_hold = 0.0

    @contextmanager
    def hold(self, max_wait: float | None = None) -> Iterator[None]:
        """Hold a slot during the block.

        Raises QueueTooLong if no slot is free within `max_wait` seconds, and at once if the
        expected wait is longer than that.
        """
        self._acquire(max_wait)
        started = time.monotonic()
        try:
            yield
        finally:
            held = time.monotonic() - started
            weight = WEIGHT if self._average_hold else 1
            self._average_hold += (held - self._average_hold) * weight
            self._release()

    def _acquire(self, max_wait: float | None) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if max_wait is not None and self._expected_wait() > max_wait:
                raise QueueTooLong(self._expected_wait())
            turn = threading.Event()
            self._queue.append(turn)
        is_acquired = False
        try:
            is_acquired = turn.wait(max_wait)
        finally:
            if not is_acquired:
                self._leave_queue(turn)
        if not is_acquired:
            raise QueueTooLong(self._expected_wait() or max_wait or 0.0)

    def _expected_wait(self) -> float:
        """Return the seconds after which a new caller would get a slot."""
        return (1 + len(self._queue)) / self._number * self._average_hold

    def _leave_queue(self, turn: threading.Event) -> None:
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                return
        self._release()  # the slot was given after the wait had ended

    def _release(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1
