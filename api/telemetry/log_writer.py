"""Writes log lines in a thread of the operating system.

A blocked write in a greenlet would stop all other greenlets. So lines pass through a bounded queue;
if it is full, they are dropped and counted. The thread also renders the lines. Rendering many at a
time costs half as much as rendering each alone.
"""

import os
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog
from gevent.monkey import get_original

from api.telemetry.events import Event

MAX_LINES: Final = 10_000
# A write of up to this size to a pipe is atomic (POSIX PIPE_BUF on Linux).
MAX_WRITE_BYTES: Final = 4096
FLUSH_SECONDS: Final = 2.0
# The thread waits this long after a batch, because each wake-up interrupts the requests.
GATHER_SECONDS: Final = 0.005

T = TypeVar("T")


class QueuedWriter(Generic[T]):
    """Writes lines to a file descriptor from its own thread. It never blocks its callers."""

    def __init__(
        self, descriptor: int, render: Callable[[T], bytes], max_lines: int = MAX_LINES
    ) -> None:
        """`render` returns a line with its newline, and must not raise."""
        self._descriptor = descriptor
        self.render = render
        self._max_lines = max_lines
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # Originals, not gevent's: this thread must block without stopping the greenlets.
        self._queue = get_original("queue", "SimpleQueue")()
        # A threading.Event would use gevent's lock, so waiting for it would run greenlets at exit.
        self._running = get_original("_thread", "allocate_lock")()
        self._running.acquire()
        self._dropped = 0
        # Start now: if no thread can be started, this must fail here and not in a request.
        get_original("_thread", "start_new_thread")(self._drain, ())

    def write(self, record: T) -> None:
        """Queue a line; drop and count it if the queue is full."""
        if self._queue.qsize() >= self._max_lines:
            self._dropped += 1
            return
        self._queue.put(record)

    def close(self) -> None:
        """Write the queued lines, for at most FLUSH_SECONDS."""
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
                return  # the reader is gone, so this cannot be logged either
