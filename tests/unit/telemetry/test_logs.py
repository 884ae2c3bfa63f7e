"""Log lines: their events, their format, and how they are written."""

import _thread
import ast
import contextlib
import contextvars
import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import time_machine

from api.telemetry.events import Event
from api.telemetry.log_writer import QueuedWriter
from api.telemetry.logs import current_request_id, make_record, renderer
from tests.support.processes import eventually

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [*ROOT.glob("api/**/*.py"), ROOT / "gunicorn.conf.py"]
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def logging_calls(source: Path) -> Iterator[ast.Call]:
    """The logging calls in a source file."""
    for node in ast.walk(ast.parse(source.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, method = called.rpartition(".")
        if called == "say" or (owner in {"log", "get_logger()"} and method in METHODS):
            yield node


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_logs_listed_events_only(source: Path) -> None:
    for call in logging_calls(source):
        names = " ".join(map(ast.unparse, call.args))
        is_parameter = names.isidentifier() and f"{names}: Event" in source.read_text()
        assert "Event." in names or is_parameter, f"line {call.lineno}: {names}"


def test_listed_events_are_all_logged() -> None:
    code = "\n".join(source.read_text() for source in SOURCES)

    assert [event.name for event in Event if f"Event.{event.name}" not in code] == []


def test_scan_detects_an_unlisted_event(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text("log.info('made.up', field=1)")

    with pytest.raises(AssertionError, match=r"made\.up"):
        test_code_logs_listed_events_only(source)


def rendered(*, console: bool = False, **event: object) -> str:
    """The rendered line of an event."""
    (record,), _ = make_record(None, str(event.get("level", "info")), event)
    return renderer(console=console, colors=False)(record).decode()


@time_machine.travel("2026-11-21T12:00:00.5Z", tick=False)
def test_log_line_is_a_json_object_that_begins_with_the_standard_fields() -> None:
    in_a_request = contextvars.copy_context()
    in_a_request.run(current_request_id.set, "abc")
    line = in_a_request.run(rendered, ttl=600, event=Event.CACHE_HIT, age=1.5)

    assert line == (
        '{"timestamp":"2026-11-21T12:00:00.500Z","level":"info","event":"cache.hit",'
        '"request_id":"abc","ttl":600,"age":1.5}\n'
    )


def test_values_unknown_to_json_are_logged_as_text_on_one_line() -> None:
    line = rendered(
        event=Event.LIBRARY, message="two\nlines", when=dt.timedelta(1), path=Path("/x")
    )

    assert line.count("\n") == 1
    assert json.loads(line)["when"] == "1 day, 0:00:00"


def test_invalid_unicode_loses_no_log_line() -> None:
    line = rendered(event=Event.LIBRARY, message="half a pair: \ud800", number=2**70)

    assert json.loads(line)["number"] == 2**70
    assert "\\ud800" in line


def test_stack_trace_is_a_field_of_its_log_line() -> None:
    line = rendered(event=Event.HTTP_ERROR, exc_info=KeyError("lost"))

    assert line.count("\n") == 1
    assert "KeyError: 'lost'" in json.loads(line)["exception"]


def test_console_log_lines_are_readable_text() -> None:
    line = rendered(console=True, event=Event.CACHE_HIT, ttl=600)

    assert line[13:].startswith("info     cache.hit               ttl=600")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def test_log_lines_are_written_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = QueuedWriter(descriptor, bytes)
    for number in range(2000):
        writer.write(b"line %d\n" % number)
    writer.close()
    os.close(descriptor)

    with open(reader, "rb", closefd=False) as lines:
        assert lines.read() == b"".join(b"line %d\n" % number for number in range(2000))


# The master runs this thread when it forks its workers.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("process", ["parent", "child"])
def test_log_line_is_written_when_no_thread_can_be_started(
    process: str, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, descriptor = pipe
    writer = QueuedWriter(descriptor, bytes)
    child = os.fork() if process == "child" else 0
    if child:
        os.waitpid(child, 0)
    else:
        with monkeypatch.context() as limited:
            limited.setattr(_thread, "start_new_thread", no_more_threads)
            with contextlib.suppress(RuntimeError):  # the child must end in any case
                writer.write(b"a line\n")
        writer.close()
        if process == "child":
            os._exit(0)

    os.close(descriptor)
    with open(reader, "rb", closefd=False) as lines:
        assert lines.read() == b"a line\n"


def no_more_threads(*_: object) -> int:
    raise RuntimeError("can't start new thread")


def test_stalled_log_reader_loses_counted_lines_and_delays_nothing(
    pipe: tuple[int, int],
) -> None:
    reader, descriptor = pipe
    os.set_blocking(reader, False)
    writer = QueuedWriter(descriptor, bytes, max_lines=100)
    line = b"x" * 1023 + b"\n"
    for _ in range(1000):  # a pipe holds 64 of them
        writer.write(line)  # would otherwise hang here forever

    received = bytearray()

    def read_on() -> bool:
        received.extend(os.read(reader, 65536))
        return bool(record)

    with structlog.testing.capture_logs() as record:
        eventually(read_on)
    writer.close()
    os.close(descriptor)
    received += os.read(reader, 65536)

    assert record == [
        {"event": "log.dropped", "log_level": "warning", "count": 1000 - len(received) // 1024}
    ]
    assert len(received) >= 100 * 1024


HOSTILE = {
    "newline": "\n",
    "carriage return": "\r",
    "escape": "\x1b",
    "one-byte escape": "\x9b",
    "next line": "\x85",
    "line separator": "\u2028",
    "right to left": "\u202e",
    "isolate": "\u2066",
    "zero width": "\u200b",
    "byte order mark": "\ufeff",
    "NUL": "\0",
    "backspace": "\b",
    "delete": "\x7f",
    "tag": "\U000e0041",
}


@pytest.mark.parametrize("console", [False, True], ids=["json", "console"])
@pytest.mark.parametrize("character", HOSTILE.values(), ids=HOSTILE)
def test_control_characters_of_clients_are_escaped_in_the_log(
    character: str, console: bool
) -> None:
    hostile = f'/x{character}[2J{{"event":"forged"}}'

    line = rendered(console=console, event=Event.HTTP_REQUEST, path=hostile)

    assert line.removesuffix("\n").isprintable()
    assert line.endswith("\n")


@pytest.mark.parametrize("character", HOSTILE.values(), ids=HOSTILE)
def test_escaped_json_text_decodes_to_the_original(character: str) -> None:
    line = rendered(event=Event.HTTP_REQUEST, path=f"/é{character}")

    assert json.loads(line)["path"] == f"/é{character}"


def test_letters_of_any_language_are_logged_unchanged() -> None:
    assert "/żółć" in rendered(console=True, event=Event.HTTP_REQUEST, path="/żółć")
    assert "/東京" in rendered(event=Event.HTTP_REQUEST, path="/東京")


def test_console_traceback_shows_no_variables_and_no_escape_codes() -> None:
    def fail() -> None:
        secret = "the-secret-of-" + "a-variable"
        raise ValueError("\x1b[2J" if secret else "")

    try:
        fail()
    except ValueError as exc:
        line = rendered(console=True, event=Event.HTTP_ERROR, exc_info=exc)

    assert "ValueError: \\u001b[2J" in line
    assert "the-secret-of-a-variable" not in line
    assert "\x1b" not in line
