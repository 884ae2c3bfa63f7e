"""gunicorn's response, made faster."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

# Imported by name, because the worker replaces it in gunicorn's module.
from gunicorn.http.wsgi import Response as GunicornResponse

# A larger body is sent on its own: joining would keep a copy of it for each slow client.
MAX_JOINED_BYTES: Final = 16_384
# Clients choose some values, for example of Access-Control-Allow-Headers.
MAX_KEPT_LENGTH: Final = 256


class Response(GunicornResponse):
    """A response that sends its head together with the first part of its body.

    gunicorn sends the two separately, which costs one more system call and wakes the client twice.
    """

    _head = b""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            process = _process if len(value) <= MAX_KEPT_LENGTH else _process.__wrapped__
            lines, length, is_upgrade = process(name, value)
            self.headers += lines  # type: ignore[operator] # it is a list
            self.upgrade = self.upgrade or is_upgrade
            if length is not None:
                self.response_length = length

    def send_headers(self) -> None:
        if not self.headers_sent:
            lines = [
                *self.default_headers(),
                *(f"{name}: {value}\r\n" for name, value in self.headers),
            ]
            self._head = "".join([*lines, "\r\n"]).encode("latin-1")
            self.headers_sent = True

    def can_sendfile(self) -> bool:
        return False  # sendfile would send the file before the head

    def close(self) -> None:
        self.send_headers()
        self._send(b"")
        super().close()

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
            self.sock.sendall(piece)


@lru_cache(maxsize=1024)
def _process(name: str, value: str) -> tuple[Iterable[tuple[str, str]], int | None, bool]:
    """Return the headers to send, the body's length if stated, and whether it is an upgrade.

    Raises gunicorn's errors for invalid headers.
    """
    # Only the results are cached, because a whole response holds much more.
    response: GunicornResponse = GunicornResponse(None, None, None)  # type: ignore[arg-type]
    GunicornResponse.process_headers(response, [(name, value)])
    return tuple(response.headers), response.response_length, response.upgrade
