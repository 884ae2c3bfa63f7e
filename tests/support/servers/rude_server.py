"""A server that breaks the rules of HTTP, or of good manners."""

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Behaviour = Callable[[socket.socket, bytes], None]


class RudeServer:
    """It serves on a free local port while the `with` lasts.

    behave: what it does with a connection and the head of its first request; then it closes the
    connection. Tests may change it. heads: those of all requests.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has left
            head, body = connection.recv(65536).split(b"\r\n\r\n")
            self.heads.append(head)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            # What is not read would reset the connection when it is closed.
            while length and len(body) < int(length[1]):
                body += connection.recv(65536)
            self.behave(connection, head)


def says(*parts: str) -> Behaviour:
    """Send this text, and close the connection."""
    return lambda connection, _: connection.sendall("".join(parts).encode())


def hangs(*parts: str) -> Behaviour:
    """Send this text, and then nothing until the client leaves."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall("".join(parts).encode())
        while connection.recv(65536):
            pass

    return behave


def repeats(*parts: str, every: float = 0.0) -> Behaviour:
    """Send all parts but the last one, and then that one again and again, until the client leaves.

    every: seconds between two of them, unless the client leaves earlier.
    """
    *first, last = parts

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall("".join(first).encode())
        left = threading.Event()
        while not left.wait(every):
            connection.sendall(last.encode())

    return behave


def resets(*parts: str) -> Behaviour:
    """Send this text, and reset the connection."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall("".join(parts).encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave
