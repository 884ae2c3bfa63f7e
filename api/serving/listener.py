"""A gevent worker that shares connections evenly with the other workers.

Each worker publishes its number of connections in shared memory, and waits before it accepts one
more than its share. docs/adr/0013-worker-class-and-sizes.md says why.
"""

import mmap
from functools import partial
from typing import Any, Final

import gevent
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

PAUSE_SECONDS: Final = 0.001
SLOTS: Final = 1024  # room for the maximum number of workers during two overlapping reloads
UNUSED: Final = 2**32 - 1

# Created before the fork, so all workers share it.
_connections: Final = memoryview(mmap.mmap(-1, 4 * SLOTS)).cast("I")
_connections[:] = memoryview(UNUSED.to_bytes(4, "little") * SLOTS).cast("I")


class SharingWorker(GeventWorker):
    """A GeventWorker that has about as many connections as the other workers."""

    slot: int  # unique among living workers; gunicorn.conf.py sets it before the fork

    def init_process(self) -> None:
        _connections[self.slot] = 0
        # gunicorn calls this for each socket; a bound method knows its worker.
        self.server_class = self._listen  # type: ignore[assignment, misc]
        super().init_process()

    def release_slot(self) -> None:
        """Mark the slot as unused. The master calls this after the worker has died."""
        _connections[self.slot] = UNUSED

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        _connections[self.slot] += 1
        try:
            super().handle(listener, client, addr)
        finally:
            _connections[self.slot] -= 1

    def has_more_than_its_share(self) -> bool:
        """Return whether another worker has fewer connections, not counting the newest one."""
        return _connections[self.slot] > min(_connections.tolist()) + 1

    def _listen(self, listener: Any, *, spawn: Any, **_: Any) -> StreamServer:
        return _SharingServer(self, listener, partial(self.handle, listener), spawn)


class _SharingServer(StreamServer):
    max_accept = 1

    def __init__(self, worker: SharingWorker, listener: Any, handle: Any, spawn: Any) -> None:
        super().__init__(listener, handle=handle, spawn=spawn)
        self._worker = worker

    def do_read(self) -> Any:
        accepted: Any = super().do_read()  # None if another worker was faster
        if accepted is not None and self._worker.has_more_than_its_share():
            self.stop_accepting()
            gevent.spawn_later(PAUSE_SECONDS, self._resume)
        return accepted

    def _resume(self) -> None:
        if self.started:
            self.start_accepting()
