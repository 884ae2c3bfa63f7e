"""Bodies that are sent piece by piece."""

import errno
from collections.abc import Callable, Generator, Iterator

import falcon

from api.telemetry.events import Event
from api.telemetry.logs import get_logger

log = get_logger()


class Stream:
    """The body of a response. The server closes it when it is sent, or its reader is gone."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this when the body is closed, after what was passed before."""
        self._at_end.append(call)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces. After a bug, the server closes the connection without the last chunk.

        The head is sent already, so only that tells the reader that the body is not complete.
        """
        try:
            yield from self._pieces
        except Exception as bug:
            log.exception(Event.HTTP_ERROR)
            # gunicorn would log other exceptions again.
            raise ConnectionResetError(errno.ECONNRESET, "the body has no end") from bug

    def close(self) -> None:
        try:
            self._pieces.close()
        finally:
            for call in self._at_end:
                call()


def at_end(resp: falcon.Response, call: Callable[[], None]) -> None:
    """Call this when the response ends: now, unless its body is a stream."""
    if isinstance(resp.stream, Stream):
        resp.stream.at_end(call)
    else:
        call()
