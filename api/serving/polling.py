"""A poll of a socket that returns at once if its timeout is zero.

gevent's poll runs all other greenlets first. docs/adr/0015-a-busy-worker.md says what that costs.
"""

import select
from typing import Any

import gevent.select
from gevent import monkey

BOTH = select.POLLIN | select.POLLOUT
# Looked up once: redis-py polls before each command.
_NATIVE_POLL = monkey.get_original("select", "poll")


class Poll(gevent.select.poll):
    """gevent's poll, except that a timeout of zero does not yield to other greenlets."""

    def __init__(self) -> None:
        super().__init__()
        self._nonblocking = _NATIVE_POLL()

    def register(self, fd: Any, eventmask: int = BOTH) -> None:
        super().register(fd, eventmask)
        self._nonblocking.register(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        super().unregister(fd)
        self._nonblocking.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        ready: list[tuple[int, int]]
        ready = self._nonblocking.poll(0) if timeout == 0 else super().poll(timeout)
        return ready


def install_nonblocking_poll() -> None:
    """Replace gevent's poll. Call this before gevent patches the standard library."""
    gevent.select.poll = Poll  # type: ignore[misc]
