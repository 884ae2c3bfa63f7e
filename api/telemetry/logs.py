"""Structured logs: what a line holds, and how all of Python's logging becomes such lines.

Every line is one JSON object (or one readable line on a terminal), gunicorn's own lines
included. `log_writer` writes them.
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
from typing import Any, Literal, NamedTuple, TextIO

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
# The id of the trace that this request is a part of; None where spans are not collected.
current_trace_id: ContextVar[str | None] = ContextVar("current_trace_id", default=None)


class LogRecord(NamedTuple):
    """What a line tells: when it was said (nanoseconds since the epoch), where, and the rest."""

    at: int
    level: str
    request_id: str | None
    trace_id: str | None
    event: EventDict


class _QueueLogger:
    """Where structlog leaves what is said."""

    def __init__(self, writer: QueuedWriter[LogRecord]) -> None:
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
def _writer_to(descriptor: int) -> QueuedWriter[LogRecord]:
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


def make_record(
    logger: WrappedLogger, level: str, event_dict: EventDict
) -> tuple[tuple[LogRecord], dict[str, Any]]:
    """The one processor: keep what only the present knows, and leave the rest to the writer."""
    if "exc_info" in event_dict:
        event_dict = structlog.processors.format_exc_info(logger, level, event_dict)
    record = LogRecord(
        time.time_ns(), level, current_request_id.get(), current_trace_id.get(), event_dict
    )
    return (record,), {}


def renderer(*, console: bool, colors: bool) -> Callable[[LogRecord], bytes]:
    """What makes a line."""
    show = ConsoleRenderer(colors=colors) if console else _json
    return lambda record: show(_line(record))


def _line(record: LogRecord) -> EventDict:
    """A line's fields, begun with what every line has."""
    line = {
        "timestamp": _timestamp(record.at),
        "level": record.level,
        "event": record.event["event"],
    }
    if record.request_id is not None:
        line["request_id"] = record.request_id
    if record.trace_id is not None:
        line["trace_id"] = record.trace_id
    line.update(record.event)
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
    return escape_control_characters(text.decode(), "\n").encode()
