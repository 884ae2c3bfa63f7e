"""The body of a stream: how it ends, and what is called then."""

from collections.abc import Generator

import pytest
from structlog.testing import capture_logs

from api.http.stream import Stream


def pieces(error: Exception | None = None) -> Generator[bytes, None, None]:
    yield b"one\n"
    if error:
        raise error


def test_stream_with_a_bug_ends_as_a_lost_connection_and_is_logged() -> None:
    stream = iter(Stream(pieces(RuntimeError("a bug"))))
    assert next(stream) == b"one\n"
    with capture_logs() as record, pytest.raises(ConnectionResetError):
        next(stream)

    assert [line["event"] for line in record] == ["http.error"]


def test_stream_that_is_closed_early_stops_its_pieces_and_calls_what_waits() -> None:
    source, ended = pieces(), list[str]()
    stream = Stream(source)
    stream.at_end(lambda: ended.append("first"))
    stream.at_end(lambda: ended.append("second"))
    assert next(iter(stream)) == b"one\n"
    stream.close()

    assert ended == ["first", "second"]
    assert next(source, None) is None
