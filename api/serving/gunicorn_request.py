"""gunicorn's request, read so that its head neither fills the memory nor holds the worker up."""

from typing import Any, Final

import gevent
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import Unreader

# A head that is larger and still incomplete is refused. A read brings 8 kB at most.
MAX_INCOMPLETE_BYTES: Final = 16_384
PAUSE_SECONDS: Final = 0.001


class Request(GunicornRequest):
    """Lets other requests run while its head arrives.

    gunicorn searches the whole head again after each read, and a read gives way to nobody while a
    byte is there. So each read but the first waits a millisecond longer than the one before it,
    in which bytes gather. The five seconds for a head leave time for a hundred reads.
    """

    _reads = 0

    def __init__(self, *args: Any) -> None:
        try:
            super().__init__(*args)
        except ParseException as exc:
            exc.request = self  # type: ignore[attr-defined] # its method decides about a body
            raise

    def read_into(self, unreader: Unreader, buf: bytearray, stop: bool | None = False) -> None:
        if len(buf) > MAX_INCOMPLETE_BYTES:
            raise LimitRequestHeaders("the head")
        if self._reads:
            gevent.sleep(self._reads * PAUSE_SECONDS)
        self._reads += 1
        super().read_into(unreader, buf, stop)
