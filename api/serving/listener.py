"""A gevent worker that leaves its siblings their share of the connections.

All workers accept from one socket, so that none of them can lose what waits there when it ends.
But when many clients connect at once, the first worker to wake up would take them all before the
next one is awake, and keep them for as long as they live. So each worker tells the others how
many connections it has, in memory that they share, and one with more than another lets a
millisecond pass before it takes its next.
"""

import mmap
from functools import partial
from typing import Any, Final

import gevent
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

PAUSE_SECONDS: Final = 0.001
SLOTS: Final = 1024  # the most workers that there can be, those of two reloads beside them
NOBODY: Final = 2**32 - 1

# Made before the fork, and so the same in all workers.
_connections: Final = memoryview(mmap.mmap(-1, 4 * SLOTS)).cast("I")
_connections[:] = memoryview(NOBODY.to_bytes(4, "little") * SLOTS).cast("I")


class SharingWorker(GeventWorker):
    """A GeventWorker whose connections are as many as its siblings'."""

    slot: int  # which no living sibling has; gunicorn.conf.py gives it before the fork

    def init_process(self) -> None:
        _connections[self.slot] = 0
        # What gunicorn calls for each of its sockets; a function of ours knows its worker.
        self.server_class = self._listen  # type: ignore[assignment, misc]
        super().init_process()

    def release_slot(self) -> None:
        """Count for nobody any more; called in the master, once the worker is dead."""
        _connections[self.slot] = NOBODY

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        _connections[self.slot] += 1
        try:
            super().handle(listener, client, addr)
        finally:
            _connections[self.slot] -= 1

    def has_more_than_its_share(self) -> bool:
        """Whether a sibling has fewer connections, by more than the one in its hands."""
        return _connections[self.slot] > min(_connections.tolist()) + 1

    def _listen(self, listener: Any, *, spawn: Any, **_: Any) -> StreamServer:
        return _SharingServer(self, listener, partial(self.handle, listener), spawn)


class _SharingServer(StreamServer):
    max_accept = 1

    def __init__(self, worker: SharingWorker, listener: Any, handle: Any, spawn: Any) -> None:
        super().__init__(listener, handle=handle, spawn=spawn)
        self._worker = worker

    def do_read(self) -> Any:
        accepted: Any = super().do_read()  # nothing, where a sibling was faster
        if accepted is not None and self._worker.has_more_than_its_share():
            self.stop_accepting()
            gevent.spawn_later(PAUSE_SECONDS, self._go_on)
        return accepted

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()
