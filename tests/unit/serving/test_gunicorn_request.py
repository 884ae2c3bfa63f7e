"""Request heads that arrive in pieces."""

from collections.abc import Iterable
from itertools import chain, repeat

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.unreader import Unreader

from api.serving.gunicorn_request import Request

HERE = ("127.0.0.1", 8080)
BEGINNING = b"GET / HTTP/1.1\r\nHost: x\r\nA:"


class Client(Unreader):
    """A client socket that always has another piece to read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self.reads = 0
        self.taken = 0

    def chunk(self, size_hint: int | None = None) -> bytes:  # noqa: ARG002
        data = next(self._pieces, b"")
        self.reads += 1
        self.taken += len(data)
        return data


def read(client: Client) -> Request:
    return Request(Config(), client, HERE)


def test_head_sent_in_single_bytes_is_timed_out_and_read_less_often() -> None:
    client = Client(chain([BEGINNING], repeat(b"\r", 10_000)))

    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        read(client)

    assert client.reads < 20


def test_head_larger_than_16_kilobytes_is_refused() -> None:
    client = Client(chain([BEGINNING], repeat(b"\r" * 8192, 60)))

    with pytest.raises(LimitRequestHeaders):
        read(client)

    assert client.taken < 32_768


def test_pipelined_requests_do_not_count_towards_the_head_size() -> None:
    lines = b"%s x\r\nB:%s\r\n" % (BEGINNING, b"x" * 8000)
    client = Client([lines, b"C:%s\r\n" % (b"x" * 8000), b"\r\n" + b"GET / HTTP/1.1\r\n" * 400])

    assert read(client).path == "/"
