"""The HTTP server of `python -m sandbox`: gevent's, with access to connections for faults."""

import socket
import ssl
import struct
from typing import Any

import protocol.server
from sandbox.faults.injector import Injector
from sandbox.faults.wire import WIRE_KEY

_NO_LINGER = struct.pack("ii", 1, 0)


class SocketWire:
    """The client's connection. It closes after a request that used it."""

    def __init__(self, handler: "Handler") -> None:
        self._handler = handler

    def send(self, data: bytes) -> None:
        self._take().sendall(data)

    def wait_closed(self, seconds: float) -> None:
        connection = self._take()
        connection.settimeout(seconds)
        try:
            connection.recv(1)
        except OSError:
            pass
        finally:
            connection.settimeout(None)

    def reset(self) -> None:
        self._take().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def used(self) -> None:
        self._handler.count()

    def _take(self) -> socket.socket:
        self._handler.close_connection = True
        connection: socket.socket = self._handler.socket
        return connection


class Handler(protocol.server.Handler):
    """The handler of one connection and all its requests. Counts the connection."""

    server: "Server"
    counted = False

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[WIRE_KEY] = SocketWire(self)
        return environ

    def count(self) -> None:
        """Count this connection, once."""
        if not self.counted:
            self.counted = True
            self.server.sandbox.counters.connected()

    def handle(self) -> None:
        try:
            super().handle()
        finally:
            if self.counted:
                self.server.sandbox.counters.disconnected()


class Server(protocol.server.Server):
    """The server of one sandbox."""

    def __init__(
        self, address: tuple[str, int], sandbox: Injector, tls: ssl.SSLContext | None = None
    ) -> None:
        self.sandbox = sandbox
        super().__init__(address, sandbox, tls, handler_class=Handler)
