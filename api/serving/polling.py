"""A look at a socket that takes no time.

gevent's poll lets everything else run first, even if it is not to wait. redis-py looks in this way
whether a connection was closed before each command, and httpcore2 does so for each idle connection
before each call, with the lock of its pool in its hands. On a busy worker every look took a turn of
the loop, and answers that had arrived were seconds late.
"""

import select
from typing import Any

import gevent.select
from gevent import monkey

BOTH = select.POLLIN | select.POLLOUT


class Poll(gevent.select.poll):
    """Waits as gevent's does, and answers at once where nobody wants to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._now = monkey.get_original("select", "poll")()

    def register(self, fd: Any, eventmask: int = BOTH) -> None:
        super().register(fd, eventmask)
        self._now.register(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        super().unregister(fd)
        self._now.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        found: list[tuple[int, int]]
        found = self._now.poll(0) if timeout == 0 else super().poll(timeout)
        return found


def poll_at_once() -> None:
    """To be called before gevent patches the standard library."""
    gevent.select.poll = Poll  # type: ignore[misc]
