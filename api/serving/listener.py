"""A gevent worker that shares connections evenly with the others, and stops without a pause.

Each worker publishes its number of connections in shared memory. It accepts its share of all
connections at once, those included that still wait to be accepted. Before it accepts one more, it
waits a millisecond for the others. docs/adr/0013-worker-class-and-sizes.md says why.
"""

import mmap
import socket
import sys
import time
from functools import partial
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

PAUSE_SECONDS: Final = 0.001
# How often a worker tells its master that it lives.
NOTIFY_SECONDS: Final = 1.0
# How long a worker that stops goes on accepting: at a reload, the new ones start meanwhile.
HANDOVER_SECONDS: Final = 0.1
# How long open connections may still take after graceful_timeout.
CUT_OFF_SECONDS: Final = 1.0
SLOTS: Final = 1024  # room for the maximum number of workers during two overlapping reloads
UNUSED: Final = 2**32 - 1
# Where Linux's struct tcp_info has tcpi_unacked. For a socket that listens, this is the number of
# connections that wait to be accepted.
_WAITING: Final = slice(24, 28)

# Created before the fork, so all workers share it.
_connections: Final = memoryview(mmap.mmap(-1, 4 * SLOTS)).cast("I")
_connections[:] = memoryview(UNUSED.to_bytes(4, "little") * SLOTS).cast("I")


class SharingWorker(GeventWorker):
    """A GeventWorker that has about as many connections as the other workers."""

    slot: int  # unique among living workers; gunicorn.conf.py sets it before the fork

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections = Pool(self.worker_connections)
        self._stop_asked = Event()

    def init_process(self) -> None:
        _connections[self.slot] = 0
        super().init_process()

    def run(self) -> None:
        """Serve until a signal or max_requests, and then until all connections are closed.

        Cut off those that are still open after graceful_timeout. gunicorn's own method would
        notice a signal, and the last connection, only once a second.
        """
        servers = [self._server(listener) for listener in self.sockets]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            self._stop_asked.wait(NOTIFY_SECONDS)
        gevent.sleep(HANDOVER_SECONDS)
        for server in servers:
            server.close()
        if not self._all_closed():
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
            for server in servers:
                server.stop(timeout=CUT_OFF_SECONDS)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._stop_asked.set()

    def count_connection(self, change: int) -> None:
        """Add to the published number of connections."""
        _connections[self.slot] += change

    def has_its_share(self, waiting: int) -> bool:
        """Return whether this worker has its share of all connections and those that wait."""
        counts = _connections.tolist()
        unused = counts.count(UNUSED)
        total = sum(counts) - unused * UNUSED + waiting
        return _connections[self.slot] * (SLOTS - unused) >= total

    def release_slot(self) -> None:
        """Leave the sharing, since this worker accepts no more connections."""
        _connections[self.slot] = UNUSED

    def _server(self, listener: Any) -> StreamServer:
        return _SharingServer(self, listener, partial(self.handle, listener))

    def _all_closed(self) -> bool:
        """Wait until all connections are closed. Return False if it takes too long."""
        end = time.monotonic() + self.cfg.graceful_timeout
        while True:
            self.notify()
            if self.connections.join(timeout=NOTIFY_SECONDS):
                return True
            if time.monotonic() > end:
                return False


class _SharingServer(StreamServer):
    def __init__(self, worker: SharingWorker, listener: Any, handle: Any) -> None:
        super().__init__(listener, handle=handle, spawn=worker.connections)
        self._worker = worker
        self._has_paused = False

    def do_read(self) -> Any:
        if not self._has_paused and self._worker.has_its_share(self._waiting()):
            self.stop_accepting()
            gevent.spawn_later(PAUSE_SECONDS, self._resume)
            return None
        self._has_paused = False
        accepted: Any = super().do_read()  # None if another worker was faster
        if accepted is not None:
            self._worker.count_connection(1)
        return accepted

    def do_close(self, *args: Any) -> None:
        super().do_close(*args)
        if self.started:
            self._worker.count_connection(-1)

    def close(self) -> None:
        super().close()
        self._worker.release_slot()

    def _resume(self) -> None:
        if self.started:
            # The others may hang or be busy, so accept one that still waits.
            self._has_paused = self._waiting() > 0
            self.start_accepting()

    def _waiting(self) -> int:
        """Return the number of connections that wait to be accepted; 1 if it is unknown."""
        if sys.platform != "linux" or self.family not in (socket.AF_INET, socket.AF_INET6):
            return 1
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WAITING.stop)
        return int.from_bytes(info[_WAITING], sys.byteorder)
