"""How many may do a thing at once; the others wait in line."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# How much the last stay counts in the usual one.
WEIGHT: Final = 0.1


class Crowded(Exception):
    """The line is too long; `seconds` is how long it takes to get shorter."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Slots:
    """So many places, given in the order in which they are asked for."""

    def __init__(self, number: int) -> None:
        self._number = self._free = number
        self._lock = threading.Lock()
        self._line: deque[threading.Event] = deque()
        self._usual_stay = 0.0

    @contextmanager
    def one(self, max_wait: float | None = None) -> Iterator[None]:
        """Keep one for the block. Raises Crowded where there is none within `max_wait` seconds.

        That is said at once where it can be foreseen.
        """
        self._take(max_wait)
        begun = time.monotonic()
        try:
            yield
        finally:
            stay = time.monotonic() - begun
            self._usual_stay += (stay - self._usual_stay) * (WEIGHT if self._usual_stay else 1)
            self._give_back()

    def _take(self, max_wait: float | None) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if max_wait is not None and self._wait() > max_wait:
                raise Crowded(self._wait())
            turn = threading.Event()
            self._line.append(turn)
        is_ours = False
        try:
            is_ours = turn.wait(max_wait)
        finally:
            if not is_ours:
                self._leave(turn)
        if not is_ours:
            raise Crowded(self._wait() or max_wait or 0.0)

    def _wait(self) -> float:
        """Seconds until those who are in line now have had their turn."""
        return (1 + len(self._line)) / self._number * self._usual_stay

    def _leave(self, turn: threading.Event) -> None:
        with self._lock:
            if turn in self._line:
                self._line.remove(turn)
                return
        self._give_back()  # it came in this very moment

    def _give_back(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1
