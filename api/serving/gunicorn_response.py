"""gunicorn's response, made faster."""

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import cache, lru_cache
from typing import Any, Final

from gunicorn.http.wsgi import Response as GunicornResponse

# Names no product or version, which would lead to known vulnerabilities.
SERVER: Final = "flight-price-api"
# A larger body is sent on its own: joining would keep a copy of it for each slow client.
MAX_JOINED_BYTES: Final = 16_384
# Stricter than gunicorn, which decides about every other status and value.
_ORDINARY_STATUS: Final = re.compile(r"(?!204|304)[2-5]\d\d [ -~]+")
_ORDINARY_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Response(GunicornResponse):
    """A response that sends its head together with the first part of its body.

    gunicorn sends the two separately, which costs one more system call and wakes the client twice.
    It also formats the date for each response, and looks at each header more closely than an
    ordinary response needs.
    """

    headers: list[tuple[str, str]]
    status_code: int | None

    _head = b""

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take the status and the headers. Raises gunicorn's error if one may not be sent."""
        headers = list(headers)
        length = None if self.status else self._ordinary_length(status, headers)
        if length is None:
            return super().start_response(status, headers, exc_info)
        self.status, self.status_code = status, int(status[:3])
        self.headers, self.response_length = headers, length
        return self.write

    def default_headers(self) -> list[str]:
        major, minor = self.req.version  # type: ignore[misc] # set by the parser
        kept = "close" if self.should_close() else "keep-alive"
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {SERVER}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {'upgrade' if self.upgrade else kept}\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def send_headers(self) -> None:
        if not self.headers_sent:
            lines = self.default_headers()
            lines += [f"{name}: {value}\r\n" for name, value in self.headers]
            lines.append("\r\n")
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def can_sendfile(self) -> bool:
        return False  # sendfile would send the file before the head

    def close(self) -> None:
        self.send_headers()
        self._send(b"")
        super().close()

    def _ordinary_length(self, status: str, headers: list[tuple[str, str]]) -> int | None:
        """Return the length of the body; None if gunicorn must look at the response."""
        if self.req.method != "GET" or not _ORDINARY_STATUS.fullmatch(status):
            return None
        length = None
        for name, value in headers:
            if not _ORDINARY_VALUE.fullmatch(value):
                return None
            if name == "content-length":
                length = int(value)
            elif not _is_sent_unchanged(name):
                return None
        return length

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            self._send(b"")
            super()._emit_body(data)  # type: ignore[misc] # missing in the type stubs
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if len(data) <= MAX_JOINED_BYTES:
            head, data = head + data, b""
        for piece in filter(None, (head, data)):
            # For a small piece, sendall would ask the kernel in vain for the size of its buffer.
            sent = self.sock.send(piece) if len(piece) <= MAX_JOINED_BYTES else 0
            if sent < len(piece):
                self.sock.sendall(piece[sent:])


@cache
def _is_sent_unchanged(name: str) -> bool:
    """Return whether gunicorn sends a header of this name as it is, and does nothing else with it.

    Raises gunicorn's error for an invalid name.
    """
    response = GunicornResponse(None, None, None)  # type: ignore[arg-type]
    response.process_headers([(name, "0")])
    return response.headers == [(name, "0")] and response.response_length is None


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
