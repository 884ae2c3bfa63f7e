"""Structured logs: the list of events, and how a line gets out.

Every line is one JSON object (or one readable line on a terminal), gunicorn's own lines
included. A reader that stalls must not stall the service, so what is to be said passes through
a bounded queue that drops and counts; a thread of the operating system writes it, because a
blocked write would stop every greenlet. The thread also makes the lines: many at a time, which
costs half of what one here and one there does.
"""

import atexit
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final, Generic, Literal, NamedTuple, TextIO, TypeVar

import gevent
import gunicorn.glogging
import orjson
import structlog
from gevent.monkey import get_original
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from api.console import ConsoleRenderer, harmless

MAX_LINES: Final = 10_000
# A write of this size or less to a pipe is never torn (POSIX PIPE_BUF on Linux).
MAX_WRITE_BYTES: Final = 4096
FLUSH_SECONDS: Final = 2.0
# Each time the writer's thread wakes up it takes the interpreter away from the requests, so it
# lets lines gather for this long.
GATHER_SECONDS: Final = 0.005

T = TypeVar("T")

# The id of the request that this greenlet or thread works for.
current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
# The id of the trace that this request is a part of; None where spans are not collected.
current_trace_id: ContextVar[str | None] = ContextVar("current_trace_id", default=None)


class Event(StrEnum):
    """Every event that the service logs."""

    CACHE_HIT = "cache.hit"
    CACHE_MISS = "cache.miss"
    CACHE_BYPASS = "cache.bypass"
    CACHE_STORED = "cache.stored"
    CACHE_COALESCED = "cache.coalesced"
    CACHE_REFRESHED = "cache.refreshed"
    CACHE_STALE_SERVED = "cache.stale_served"
    CACHE_FOLLOW_FAILED = "cache.follow_failed"
    CACHE_FETCH_FAILED = "cache.fetch_failed"
    CACHE_UNAVAILABLE = "cache.unavailable"
    CACHE_RECOVERED = "cache.recovered"
    TOKEN_FETCHED = "token.fetched"
    TOKEN_SHARED = "token.shared"
    TOKEN_REJECTED = "token.rejected"
    TOKEN_FAILED = "token.failed"
    AMADEUS_CALL = "amadeus.call"
    AMADEUS_RETRY = "amadeus.retry"
    AMADEUS_PACED = "amadeus.paced"
    AMADEUS_CIRCUIT_OPENED = "amadeus.circuit_opened"
    AMADEUS_CIRCUIT_CLOSED = "amadeus.circuit_closed"
    HISTORY_FAILED = "history.failed"
    HTTP_REQUEST = "http.request"
    HTTP_ERROR = "http.error"
    CLIENT_REFUSED = "client.refused"
    SERVICE_STARTED = "service.started"
    SERVICE_WARMED = "service.warmed"
    SERVICE_STOPPING = "service.stopping"
    SERVICE_CRASHED = "service.crashed"
    LOG_DROPPED = "log.dropped"
    GUNICORN = "gunicorn"
    LIBRARY = "library"


class Said(NamedTuple):
    """What a line tells: when it was said (nanoseconds since the epoch), where, and the rest."""

    at: int
    level: str
    request_id: str | None
    trace_id: str | None
    event: EventDict


class QueuedWriter(Generic[T]):
    """Writes lines to a file descriptor from a thread of its own, and never blocks its callers."""

    def __init__(
        self, descriptor: int, render: Callable[[T], bytes], max_lines: int = MAX_LINES
    ) -> None:
        """`render` makes a line, newline included, and raises nothing."""
        self._descriptor = descriptor
        self.render = render
        self._max_lines = max_lines
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # Originals, not gevent's: this thread must block without stopping the greenlets.
        self._said = get_original("queue", "SimpleQueue")()
        self._finished = get_original("threading", "Event")()
        self._dropped = 0
        # Here and not at the first line: a request must not fail where no thread can be started.
        get_original("_thread", "start_new_thread")(self._drain, ())

    def write(self, said: T) -> None:
        """Queue what becomes one line; drop and count it where the queue is full."""
        if self._said.qsize() >= self._max_lines:
            self._dropped += 1
            return
        self._said.put(said)

    def close(self) -> None:
        """Write what is queued, for at most FLUSH_SECONDS."""
        self._said.put(None)
        self._finished.wait(FLUSH_SECONDS)

    def _drain(self) -> None:
        sleep = get_original("time", "sleep")
        batch = b""
        said = self._said.get()
        while said is not None:
            line = self.render(said)
            if batch and len(batch) + len(line) > MAX_WRITE_BYTES:
                self._write_out(batch)
                batch = b""
            batch += line
            if self._said.empty():
                self._write_out(batch)
                batch = b""
                if self._dropped:
                    count, self._dropped = self._dropped, 0
                    get_logger().warning(Event.LOG_DROPPED, count=count)
                sleep(GATHER_SECONDS)
            said = self._said.get()
        self._write_out(batch)
        self._finished.set()

    def _write_out(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                return  # nobody reads any more; there is no one left to tell


class _Queue:
    """Where structlog leaves what is said."""

    def __init__(self, writer: QueuedWriter[Said]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.write


class _ToStructlog(logging.Handler):
    """Turns the lines of the standard library's logging into lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            get_logger().log(
                record.levelno,
                Event.GUNICORN if record.name.startswith("gunicorn") else Event.LIBRARY,
                message=record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info or None,
            )
        except Exception:  # noqa: BLE001 - a line that cannot be formatted must harm nobody
            self.handleError(record)


class GunicornLogger(gunicorn.glogging.Logger):
    """gunicorn's own lines in our form; its access log is our `http.request`."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers = [_ToStructlog()]
        self.error_log.propagate = False
        self.error_log.setLevel(logging.getLevelNamesMapping()[cfg.loglevel.upper()])
        self.access_log.handlers = []
        self.access_log.propagate = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing, and gunicorn's own would find that out anew for each request."""


def get_logger() -> FilteringBoundLogger:
    """The logger; its first argument is an `Event`, everything else are fields."""
    return structlog.get_logger()  # type: ignore[no-any-return]


def configure_logs(
    level: str, style: Literal["auto", "json", "console"], stream: TextIO = sys.stdout
) -> None:
    """Send every line of this process, and of those it forks, to `stream`."""
    console = style == "console" or (style == "auto" and stream.isatty())
    writer = _writer_to(stream.fileno())
    writer.render = renderer(console=console, colors=stream.isatty())
    structlog.configure(
        processors=[note],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Queue(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)
    sys.excepthook = lambda _kind, error, _trace: _crashed("main", error)
    threading.excepthook = lambda crash: _crashed(
        crash.thread.name if crash.thread else "unknown", crash.exc_value
    )
    gevent.get_hub().print_exception = _crashed_in_gevent  # type: ignore[method-assign, assignment]


@cache
def _writer_to(descriptor: int) -> QueuedWriter[Said]:
    """One for each, since whoever logged before a reload goes on with the one from then."""
    writer = QueuedWriter(descriptor, renderer(console=False, colors=False))
    atexit.register(writer.close)
    return writer


def _crashed(thread: str, error: BaseException | None) -> None:
    """What nobody caught is a line like any other, and not a traceback on stderr."""
    if not isinstance(error, KeyboardInterrupt):
        get_logger().critical(Event.SERVICE_CRASHED, thread=thread, exc_info=error)


def _crashed_in_gevent(context: Any, _kind: Any, error: Any, _trace: Any) -> None:
    """A greenlet is no thread to Python; what gevent's loop calls by itself is not even that."""
    _crashed(getattr(context, "name", "gevent"), error)


def note(
    logger: WrappedLogger, level: str, event_dict: EventDict
) -> tuple[tuple[Said], dict[str, Any]]:
    """The one processor: keep what only the present knows, and leave the rest to the writer."""
    if "exc_info" in event_dict:
        event_dict = structlog.processors.format_exc_info(logger, level, event_dict)
    said = Said(time.time_ns(), level, current_request_id.get(), current_trace_id.get(), event_dict)
    return (said,), {}


def renderer(*, console: bool, colors: bool) -> Callable[[Said], bytes]:
    """What makes a line."""
    show = ConsoleRenderer(colors=colors) if console else _json
    return lambda said: show(_line(said))


def _line(said: Said) -> EventDict:
    """A line's fields, begun with what every line has."""
    line = {"timestamp": _timestamp(said.at), "level": said.level, "event": said.event["event"]}
    if said.request_id is not None:
        line["request_id"] = said.request_id
    if said.trace_id is not None:
        line["trace_id"] = said.trace_id
    line.update(said.event)
    return line


def _timestamp(at: int) -> str:
    second, millisecond = divmod(at // 1_000_000, 1000)
    return f"{_date_and_time(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=1)
def _date_and_time(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _json(line: EventDict) -> bytes:
    try:
        text = orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        return json.dumps(line, default=str).encode() + b"\n"
    # JSON escapes the control characters of ASCII but one; a terminal obeys others as well.
    if text.isascii() and b"\x7f" not in text:
        return text
    return harmless(text.decode(), "\n").encode()
