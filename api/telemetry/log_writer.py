"""Writes lines in a thread of the operating system, and never blocks its callers.

A reader that stalls must not stall the service, so lines pass through a bounded queue that
drops and counts. A blocked write in a greenlet would stop all the others. The thread also
renders the lines: many at a time, which costs half of what rendering each alone does.
"""

import os
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog
from gevent.monkey import get_original

from api.telemetry.events import Event

MAX_LINES: Final = 10_000
# A write of this size or less to a pipe is never torn (POSIX PIPE_BUF on Linux).
MAX_WRITE_BYTES: Final = 4096
FLUSH_SECONDS: Final = 2.0
# Each time the writer's thread wakes up it takes the interpreter away from the requests, so it
# lets lines gather for this long.
GATHER_SECONDS: Final = 0.005

T = TypeVar("T")


class QueuedWriter(Generic[T]):
    """Writes lines to a file descriptor from a thread of its own, and never blocks its callers."""

    def __init__(
        self, descriptor: int, render: Callable[[T], bytes], max_lines: int = MAX_LINES
    ) -> None:
        """`render` makes a line, newline included, and raises nothing."""
        self._descriptor = descriptor
        self.render = render
        self._max_lines = max_lines
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # Originals, not gevent's: this thread must block without stopping the greenlets.
        self._queue = get_original("queue", "SimpleQueue")()
        # Not an Event: its lock would be gevent's, so waiting for it would run greenlets at exit.
        self._running = get_original("_thread", "allocate_lock")()
        self._running.acquire()
        self._dropped = 0
        # Here and not at the first line: a request must not fail where no thread can be started.
        get_original("_thread", "start_new_thread")(self._drain, ())

    def write(self, record: T) -> None:
        """Queue what becomes one line; drop and count it where the queue is full."""
        if self._queue.qsize() >= self._max_lines:
            self._dropped += 1
            return
        self._queue.put(record)

    def close(self) -> None:
        """Write what is queued, for at most FLUSH_SECONDS."""
        self._queue.put(None)
        if self._running.acquire(timeout=FLUSH_SECONDS):
            self._running.release()

    def _drain(self) -> None:
        sleep = get_original("time", "sleep")
        batch = b""
        record = self._queue.get()
        while record is not None:
            line = self.render(record)
            if batch and len(batch) + len(line) > MAX_WRITE_BYTES:
                self._write_out(batch)
                batch = b""
            batch += line
            if self._queue.empty():
                self._write_out(batch)
                batch = b""
                if self._dropped:
                    count, self._dropped = self._dropped, 0
                    structlog.get_logger().warning(Event.LOG_DROPPED, count=count)
                sleep(GATHER_SECONDS)
            record = self._queue.get()
        self._write_out(batch)
        self._running.release()

    def _write_out(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                return  # nobody reads any more; there is no one left to tell
