"""Structured logs: the list of events, and how a line gets out.

Every line is one JSON object (or one readable line on a terminal), gunicorn's own lines
included. A reader that stalls must not stall the service, so lines pass through a bounded queue
that drops and counts; a thread of the operating system writes them, because a blocked write
would stop every greenlet.
"""

import atexit
import logging
import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal, TextIO

import gunicorn.glogging
import orjson
import structlog
from gevent.monkey import get_original
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

MAX_LINES: Final = 10_000
# A write of this size or less to a pipe is never torn (POSIX PIPE_BUF on Linux).
MAX_WRITE_BYTES: Final = 4096
FLUSH_SECONDS: Final = 2.0
LEADING_FIELDS: Final = ("timestamp", "level", "event", "request_id")


class Event(StrEnum):
    """Every event that the service logs."""

    CACHE_HIT = "cache.hit"
    CACHE_MISS = "cache.miss"
    CACHE_BYPASS = "cache.bypass"
    CACHE_STORED = "cache.stored"
    CACHE_COALESCED = "cache.coalesced"
    CACHE_REFRESHED = "cache.refreshed"
    CACHE_STALE_SERVED = "cache.stale_served"
    CACHE_UNAVAILABLE = "cache.unavailable"
    CACHE_RECOVERED = "cache.recovered"
    TOKEN_FETCHED = "token.fetched"  # noqa: S105
    TOKEN_SHARED = "token.shared"  # noqa: S105
    TOKEN_REJECTED = "token.rejected"  # noqa: S105
    TOKEN_FAILED = "token.failed"  # noqa: S105
    AMADEUS_CALL = "amadeus.call"
    AMADEUS_RETRY = "amadeus.retry"
    AMADEUS_PACED = "amadeus.paced"
    AMADEUS_CIRCUIT_OPENED = "amadeus.circuit_opened"
    AMADEUS_CIRCUIT_CLOSED = "amadeus.circuit_closed"
    HTTP_REQUEST = "http.request"
    HTTP_ERROR = "http.error"
    CLIENT_REFUSED = "client.refused"
    SERVICE_STARTED = "service.started"
    SERVICE_WARMED = "service.warmed"
    SERVICE_STOPPING = "service.stopping"
    LOG_DROPPED = "log.dropped"
    GUNICORN = "gunicorn"
    LIBRARY = "library"


class QueuedWriter:
    """Writes lines to a file descriptor from a thread of its own, and never blocks its callers."""

    def __init__(self, descriptor: int, max_lines: int = MAX_LINES) -> None:
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # Originals, not gevent's: this thread must block without stopping the greenlets.
        self._lines = get_original("queue", "SimpleQueue")()
        self._finished = get_original("threading", "Event")()
        self._pid: int | None = None
        self._dropped = 0

    def write(self, line: bytes) -> None:
        """Queue one line, newline included; drop and count it where the queue is full."""
        if self._lines.qsize() >= self._max_lines:
            self._dropped += 1
            return
        self._lines.put(line)
        if self._pid is None:
            self._pid = os.getpid()
            get_original("_thread", "start_new_thread")(self._drain, ())

    def close(self) -> None:
        """Write what is queued, for at most FLUSH_SECONDS."""
        if self._pid is not None:
            self._lines.put(None)
            self._finished.wait(FLUSH_SECONDS)

    def _drain(self) -> None:
        batch = b""
        line = self._lines.get()
        while line is not None:
            if batch and len(batch) + len(line) > MAX_WRITE_BYTES:
                self._write_out(batch)
                batch = b""
            batch += line
            if self._lines.empty():
                self._write_out(batch)
                batch = b""
                if self._dropped:
                    count, self._dropped = self._dropped, 0
                    get_logger().warning(Event.LOG_DROPPED, count=count)
            line = self._lines.get()
        self._write_out(batch)
        self._finished.set()

    def _write_out(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                return  # nobody reads any more; there is no one left to tell


class _Lines:
    """Where structlog's rendered lines go."""

    def __init__(self, writer: QueuedWriter) -> None:
        self._writer = writer

    def msg(self, line: bytes) -> None:
        self._writer.write(line)

    debug = info = warning = error = critical = msg


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


def get_logger() -> FilteringBoundLogger:
    """The logger; its first argument is an `Event`, everything else are fields."""
    return structlog.get_logger()  # type: ignore[no-any-return]


def configure_logs(
    level: str, style: Literal["auto", "json", "console"], stream: TextIO = sys.stdout
) -> None:
    """Send every line of this process, and of those it forks, to `stream`."""
    console = style == "console" or (style == "auto" and stream.isatty())
    writer = QueuedWriter(stream.fileno())
    atexit.register(writer.close)
    structlog.configure(
        processors=processors(console=console, colors=stream.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


def processors(*, console: bool, colors: bool) -> list[Processor]:
    """From an event and its fields to a line."""
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _timestamp,
    ]
    if console:
        renderer = structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=24)

        def render_line(logger: WrappedLogger, name: str, event_dict: EventDict) -> bytes:
            return str(renderer(logger, name, event_dict)).encode() + b"\n"

        return [*steps, render_line]
    return [*steps, structlog.processors.format_exc_info, _render_json]


def _timestamp(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> EventDict:
    now = datetime.now(UTC)
    event_dict["timestamp"] = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
    return event_dict


def _render_json(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> bytes:
    line = {key: event_dict.pop(key) for key in LEADING_FIELDS if key in event_dict}
    return orjson.dumps({**line, **event_dict}, default=str, option=orjson.OPT_APPEND_NEWLINE)
