"""The HTTP server of `python -m sandbox`: gevent's, with access to connections for faults."""

import socket
import ssl
import struct
from http.client import HTTPException
from typing import Any

from gevent.pywsgi import WSGIHandler, WSGIServer

from sandbox.faults.injector import Injector
from sandbox.faults.wire import WIRE_KEY

_BACKLOG = 1024
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


class Handler(WSGIHandler):
    """The handler of one connection and all its requests."""

    server: "Server"
    counted = False

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[WIRE_KEY] = SocketWire(self)
        return environ

    def read_request(self, raw_requestline: str) -> Any:
        try:
            return super().read_request(raw_requestline)
        except HTTPException as error:  # too many headers; gevent would treat this as a bug
            raise ValueError(str(error)) from None

    def log_error(self, msg: str, *args: object) -> None:
        """Do not log invalid HTTP: the client gets an error, and it is not a bug of ours."""

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Close without a report if the client closed the connection; report other errors."""
        if isinstance(v, OSError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)

    def count(self) -> None:
        """Count this connection, once."""
        if not self.counted:
            self.counted = True
            self.server.sandbox.counters.connected()

    def handle(self) -> None:
        # Without TCP_NODELAY the end of a long answer waits for the client's acknowledgements.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            super().handle()
        finally:
            if self.counted:
                self.server.sandbox.counters.disconnected()


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the URL of a server; an IPv6 address gets brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Server(WSGIServer):
    """The server of one sandbox."""

    def __init__(
        self, address: tuple[str, int], sandbox: Injector, tls: ssl.SSLContext | None = None
    ) -> None:
        self.sandbox = sandbox
        secure: dict[str, Any] = {"ssl_context": tls} if tls else {}
        super().__init__(
            address,
            sandbox,
            backlog=_BACKLOG,
            handler_class=Handler,
            log=None,
            **secure,
        )
