"""gunicorn's answer, with its head and body in one write."""

from gunicorn.http import wsgi


class Response(wsgi.Response):
    """Holds the head back for as long as it takes the body to follow.

    gunicorn sends the two one after the other, which costs a system call more here, and wakes
    the client up for a head that tells it to wait on.
    """

    _head = b""

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
            super()._emit_body(data)  # type: ignore[misc] # unknown to the types, like the names above
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if data:
            self.sock.sendall(data)
