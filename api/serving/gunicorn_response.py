"""gunicorn's answer, made with less work."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

# By its name here, since the worker puts ours in its place there.
from gunicorn.http.wsgi import Response as GunicornResponse

# To join what is larger would cost each client that reads slowly a copy of it.
MAX_JOINED_BYTES: Final = 16_384
# Clients choose some values, for example of Access-Control-Allow-Headers.
MAX_KEPT_LENGTH: Final = 256


class Response(GunicornResponse):
    """Holds the head back for as long as it takes the body to follow.

    gunicorn sends the two one after the other, which costs a system call more here, and wakes
    the client up for a head that tells it to wait on.
    """

    _head = b""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            process = _processed if len(value) <= MAX_KEPT_LENGTH else _processed.__wrapped__
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
        return False  # the kernel would send a file ahead of the head

    def close(self) -> None:
        self.send_headers()
        self._send(b"")
        super().close()

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            self._send(b"")
            super()._emit_body(data)  # type: ignore[misc] # unknown to the types
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if len(data) <= MAX_JOINED_BYTES:
            head, data = head + data, b""
        for piece in filter(None, (head, data)):
            self.sock.sendall(piece)


@lru_cache(maxsize=1024)
def _processed(name: str, value: str) -> tuple[Iterable[tuple[str, str]], int | None, bool]:
    """What gunicorn makes of a header: what is sent of it, the length of the body, an upgrade.

    Raises what gunicorn raises where one is not allowed.
    """
    # Not kept whole: what is the same in no two answers, like their ids, is in here as well.
    made: GunicornResponse = GunicornResponse(None, None, None)  # type: ignore[arg-type]
    GunicornResponse.process_headers(made, [(name, value)])
    return tuple(made.headers), made.response_length, made.upgrade
