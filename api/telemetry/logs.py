"""Structured logs, including those of gunicorn and of Python's logging.

Each line is a JSON object, or a readable line on a terminal. `log_writer` writes them.
"""

import atexit
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Literal, TextIO

import gevent
import gunicorn.glogging
import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from api.telemetry.console import ConsoleRenderer, escape_control_characters
from api.telemetry.events import Event
from api.telemetry.log_writer import QueuedWriter

# The id of the request that this greenlet or thread works for.
current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
# The id of the request's trace; None if there is none.
current_trace_id: ContextVar[str | None] = ContextVar("current_trace_id", default=None)


class _QueueLogger:
    """The logger that structlog wraps; it queues every record."""

    def __init__(self, writer: QueuedWriter[EventDict]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.write


class _ToStructlog(logging.Handler):
    """Forwards records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            get_logger().log(
                record.levelno,
                Event.GUNICORN if record.name.startswith("gunicorn") else Event.LIBRARY,
                message=record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info or None,
            )
        except Exception:  # noqa: BLE001 - as in the standard library's own handlers
            self.handleError(record)


class GunicornLogger(gunicorn.glogging.Logger):
    """gunicorn's logger, forwarded to structlog and without an access log."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers = [_ToStructlog()]
        self.error_log.propagate = False
        self.error_log.setLevel(logging.getLevelNamesMapping()[cfg.loglevel.upper()])
        self.access_log.handlers = []
        self.access_log.propagate = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Do nothing: `http.request` is our access log."""


def get_logger() -> FilteringBoundLogger:
    """Return the logger. Its methods take an `Event` and fields by keyword."""
    return structlog.get_logger()  # type: ignore[no-any-return]


def configure_logs(
    level: str, style: Literal["auto", "json", "console"], stream: TextIO = sys.stdout
) -> None:
    """Send every line of this process, and of those that it forks, to `stream`."""
    console = style == "console" or (style == "auto" and stream.isatty())
    writer = _writer_to(stream.fileno())
    writer.render = renderer(console=console, colors=stream.isatty())
    structlog.configure(
        processors=[make_record],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _QueueLogger(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)
    sys.excepthook = lambda _kind, error, _trace: _crashed("main", error)
    threading.excepthook = lambda crash: _crashed(
        crash.thread.name if crash.thread else "unknown", crash.exc_value
    )
    gevent.get_hub().print_exception = _crashed_in_gevent  # type: ignore[method-assign, assignment]


@cache
def _writer_to(descriptor: int) -> QueuedWriter[EventDict]:
    """Return the writer of a descriptor. Loggers keep it after a reload, so there is only one."""
    writer = QueuedWriter(descriptor, renderer(console=False, colors=False))
    atexit.register(writer.close)
    return writer


def _crashed(thread: str, error: BaseException | None) -> None:
    """Log an uncaught exception, instead of printing its traceback to stderr."""
    if not isinstance(error, KeyboardInterrupt):
        get_logger().critical(Event.SERVICE_CRASHED, thread=thread, exc_info=error)


def _crashed_in_gevent(context: Any, _kind: Any, error: Any, _trace: Any) -> None:
    """Log an uncaught exception of a greenlet or of a callback of gevent's loop."""
    _crashed(getattr(context, "name", "gevent"), error)


def make_record(
    logger: WrappedLogger, level: str, event_dict: EventDict
) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Return the fields of a line, the common ones first. The time is in nanoseconds."""
    if "exc_info" in event_dict:
        event_dict = structlog.processors.format_exc_info(logger, level, event_dict)
    record = {"timestamp": time.time_ns(), "level": level, "event": event_dict["event"]}
    if (request_id := current_request_id.get()) is not None:
        record["request_id"] = request_id
    if (trace_id := current_trace_id.get()) is not None:
        record["trace_id"] = trace_id
    record.update(event_dict)
    return (record,), {}


def renderer(*, console: bool, colors: bool) -> Callable[[EventDict], bytes]:
    """Return the function that renders a record as a line."""
    show = ConsoleRenderer(colors=colors) if console else _json
    return lambda record: show({**record, "timestamp": _timestamp(record["timestamp"])})


def _timestamp(at: int) -> str:
    second, millisecond = divmod(at // 1_000_000, 1000)
    return f"{_date_and_time(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=1)
def _date_and_time(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _json(line: EventDict) -> bytes:
    try:
        text = orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half of a surrogate pair, or an integer of more than 64 bits
        return json.dumps(line, default=str).encode() + b"\n"
    # JSON does not escape DEL or the control characters outside ASCII, but terminals obey them.
    if text.isascii() and b"\x7f" not in text:
        return text
    return escape_control_characters(text.decode(), "\n").encode()
