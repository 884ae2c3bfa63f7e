"""gunicorn's request with a limit on the size of its head and on the time spent on parsing it."""

from typing import Any, Final

import gevent
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import Unreader

# A head that is larger and still incomplete is rejected. One read returns at most 8 kB.
MAX_INCOMPLETE_BYTES: Final = 16_384
PAUSE_SECONDS: Final = 0.001


class Request(GunicornRequest):
    """A request that lets other requests run while its head arrives.

    gunicorn searches the whole head again after each read. So each read after the first waits a
    millisecond longer than the one before, while more bytes arrive.
    """

    _reads = 0

    def __init__(self, *args: Any) -> None:
        try:
            super().__init__(*args)
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
