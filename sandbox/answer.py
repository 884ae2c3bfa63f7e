"""A complete HTTP answer in memory, so that a fault can change it before it is sent."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

_PIECE = 65_536

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def json_bytes(value: object) -> bytes:
    """Return a value as JSON."""
    return orjson.dumps(value)


def reason(status: int) -> str:
    """Return the reason phrase of a status; `Unknown` for one that HTTP does not define."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the complete body. Sending adds `Content-Length`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    padding: int = 0
    """Number of spaces after the body. They are never in memory all at once."""

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == HTTPStatus.OK

    def as_wsgi(self, start_response: StartResponse) -> Iterable[bytes]:
        """Send the answer as a WSGI application does."""
        headers = list(self.headers.items())
        has_body = self.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        if has_body:
            headers.append(("Content-Length", str(len(self.body) + self.padding)))
        start_response(f"{self.status} {reason(self.status)}", headers)
        if not has_body or not self.body:
            return []
        return self._padded() if self.padding else [self.body]

    def _padded(self) -> Iterator[bytes]:
        yield self.body
        for sent in range(0, self.padding, _PIECE):
            yield b" " * min(_PIECE, self.padding - sent)

    def head(self, **more: str) -> bytes:
        """Return status line and headers as sent, with `more` headers (`_` stands for `-`)."""
        lines = [f"HTTP/1.1 {self.status} {reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")

    @classmethod
    def of(cls, application: Application, environ: Environ) -> "Answer":
        """Call a WSGI application and return its answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            started.append((status, headers))

        chunks = application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = started[-1]
        kept = {name.title(): value for name, value in headers if name.lower() != "content-length"}
        return cls(int(status.split(" ", 1)[0]), kept, body)
