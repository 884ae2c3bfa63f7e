"""A raw TCP client for the service or its proxy, for bytes that no client library would send."""

import re
import socket
import struct
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.processes import MAX_WAIT_SECONDS, eventually
from tests.support.servers.balancer import Balancer
from tests.support.servers.service import Service

# Its offset in `struct tcp_info` of linux/tcp.h.
TCPI_DATA_SEGS_IN = 152
PING = b"GET /flights/ping HTTP/1.1\r\nHost: x\r\n\r\n"


class Wire:
    """A TCP connection to the service while the `with` lasts.

    receive_buffer: bytes that the kernel accepts before the service has to wait.
    """

    def __init__(self, service: Service | Balancer, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(MAX_WAIT_SECONDS)
        self._socket.connect(("127.0.0.1", service.port))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all bytes. Raises OSError once the service has closed the connection."""
        self._socket.sendall(data)

    def send_until_stuck(self, data: bytes) -> None:
        """Send the bytes repeatedly until all buffers are full."""
        self._socket.settimeout(1)
        try:
            while True:
                self._socket.sendall(data)
        except TimeoutError:
            self._socket.settimeout(MAX_WAIT_SECONDS)

    def segments(self) -> int:
        """The number of TCP segments with data received from the service. Linux only."""
        (count,) = struct.unpack_from(
            "I",
            self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192),
            TCPI_DATA_SEGS_IN,
        )
        return int(count)

    def drip_until_cut_off(self) -> None:
        """Send a byte now and then until the service closes the connection."""

        def is_cut_off() -> bool:
            try:
                self.send(b"x")
            except OSError:
                return True
            return False

        eventually(is_cut_off)

    def drip_fast_until_cut_off(self) -> None:
        """Send thousands of single bytes a second until the service closes the connection."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        give_up = time.monotonic() + MAX_WAIT_SECONDS
        with suppress(OSError):
            while time.monotonic() < give_up:
                self.send(b"\r")
                time.sleep(0.0005)  # otherwise the network stack would merge them

    def read(self) -> bytes:
        """Read until the service closes the connection."""
        received = b""
        try:
            while data := self._socket.recv(65536):
                received += data
        except ConnectionResetError:
            pass
        return received

    def ask(self, data: bytes) -> bytes:
        """Send the bytes, shut down our side, and read everything."""
        self.send(data)
        self._socket.shutdown(socket.SHUT_WR)
        return self.read()


def statuses(received: bytes) -> list[int]:
    """The status of each response in the received bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]
