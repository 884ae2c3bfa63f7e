"""gunicorn's request with limits on its head, and with a shorter way for ordinary requests."""

import re
from typing import Any, Final

import gevent
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import Unreader

# A head that is larger and still incomplete is rejected. One read returns at most 8 kB.
MAX_INCOMPLETE_BYTES: Final = 16_384
PAUSE_SECONDS: Final = 0.001

# An ordinary request: GET, a path, HTTP/1.1, and fields that need no interpretation.
_ORDINARY_HEAD: Final = re.compile(
    rb"GET (/[!\"$->@-~]*)(?:\?([!\"$-~]*))? HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+:[\t -~]*\r\n)+)\r\n"
)
MAX_ORDINARY_BYTES: Final = 1024
MAX_ORDINARY_FIELDS: Final = 20
# gunicorn decides what these mean.
_SPECIAL_FIELDS: Final = frozenset(
    {"CONTENT-LENGTH", "CONTENT-TYPE", "EXPECT", "TRANSFER-ENCODING", "UPGRADE"}
)


class _NoBody(Body):
    """The body of a request that has none."""

    def read(self, _size: int | None = None) -> bytes:
        return b""


class Request(GunicornRequest):
    """A request that lets other requests run while its head arrives.

    gunicorn searches the whole head again after each read. So each read after the first waits a
    millisecond longer than the one before, while more bytes arrive.

    A request that arrives alone, in one piece and is an ordinary one, is read with a single regular
    expression. gunicorn reads all others. Both give the same result.
    """

    # What gunicorn sets for each request and is always the same for an ordinary one.
    method = "GET"
    version = (1, 1)
    scheme = "http"
    fragment = ""
    must_close = False
    proxy_protocol_info = None
    _expected_100_continue = False

    _is_ordinary = False
    _reads = 0

    def __init__(self, cfg: Any, unreader: Unreader, peer_addr: Any, req_number: int = 1) -> None:
        data = unreader.read()
        if self._read_ordinary(data):
            self.cfg = cfg
            self.body = _NoBody(LengthReader(unreader, 0))
            return
        unreader.unread(data)
        try:
            super().__init__(cfg, unreader, peer_addr, req_number)
        except ParseException as exc:
            exc.request = self  # type: ignore[attr-defined] # a response to HEAD has no body
            raise

    def read_into(self, unreader: Unreader, buf: bytearray, stop: bool | None = False) -> None:
        if len(buf) > MAX_INCOMPLETE_BYTES:
            raise LimitRequestHeaders("the head")
        if self._reads:
            gevent.sleep(self._reads * PAUSE_SECONDS)
        self._reads += 1
        super().read_into(unreader, buf, stop)

    def should_close(self) -> bool:
        return not self._is_ordinary and super().should_close()

    def _read_ordinary(self, data: bytes) -> bool:
        """Read an ordinary request; return False, and change nothing, if it is another one."""
        if len(data) > MAX_ORDINARY_BYTES or not (head := _ORDINARY_HEAD.fullmatch(data)):
            return False
        path, query, fields = head.groups(b"")
        headers = {}
        lines = fields.decode("ascii").split("\r\n")
        lines.pop()
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.upper()] = value.strip(" \t")
        if (
            not len(headers) == len(lines) <= MAX_ORDINARY_FIELDS  # each name once
            or not _SPECIAL_FIELDS.isdisjoint(headers)
            or headers.get("CONNECTION", "keep-alive") != "keep-alive"
        ):
            return False
        self.headers = list(headers.items())
        self.path = path.decode("ascii")
        self.query = query.decode("ascii")
        self.uri = f"{self.path}?{self.query}" if head.start(2) >= 0 else self.path
        self._is_ordinary = True
        return True
