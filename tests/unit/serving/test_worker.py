"""Responses of the worker itself, which do not reach the application."""

import socket
from itertools import chain, repeat
from unittest.mock import Mock, create_autospec

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import (  # type: ignore[attr-defined]
    InvalidHeader,
    InvalidResponseHeaderName,
)
from gunicorn.http.parser import RequestParser

from api.serving.gunicorn_request import Request
from api.serving.gunicorn_response import SERVER, Response
from api.serving.worker import Worker, replace_in_gunicorn
from api.telemetry.metrics import Metrics

HERE = ("127.0.0.1", 8080)


def test_other_greenlets_run_while_the_rest_of_a_refused_request_is_read() -> None:
    client = create_autospec(socket.socket)
    client.gettimeout.return_value = 0.0
    client.recv.side_effect = chain(repeat(b"x", 1000), [b""])
    other = gevent.spawn(lambda: client.recv.call_count)

    worker = create_autospec(Worker)
    worker.wsgi = Mock(metrics=Metrics())

    Worker.handle_error(worker, None, client, HERE, InvalidHeader("x"))

    assert other.get(block=False) < 10


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Config:
    """gunicorn's settings, while its parts are replaced."""
    monkeypatch.setattr(RequestParser, "mesg_class", RequestParser.mesg_class)
    cfg = Config()
    replace_in_gunicorn(cfg)
    return cfg


HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_gunicorn_uses_the_request_that_replaces_its_own(replaced: Config) -> None:
    assert isinstance(next(RequestParser(replaced, [HEAD], HERE)), Request)


@pytest.mark.parametrize("head", [HEAD, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_gunicorn_reads_its_settings_from_attributes(
    head: bytes, replaced: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Config, "__getattr__")

    assert next(RequestParser(replaced, [head], HERE)).version == (1, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
@pytest.mark.parametrize("length", [[], [("content-length", "4")]])
@pytest.mark.parametrize(
    "others", [[], [("Connection", "close")], [("Age", " 0 "), ("X-Empty", "")]]
)
@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "304 Not Modified", "404 Not Found"]
)
def test_response_is_the_same_as_that_of_gunicorn(
    method: str,
    version: tuple[int, int],
    length: list[tuple[str, str]],
    others: list[tuple[str, str]],
    status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_790_000_000.5)
    monkeypatch.setattr(wsgi, "SERVER", SERVER)
    request = next(RequestParser(Config(), [HEAD], HERE))
    request.method, request.version = method, version

    def sent(response_class: type[wsgi.Response]) -> bytes:
        client = Mock()
        client.send.side_effect = len
        response = response_class(request, client, Config())
        response.start_response(status, [("x-cache", "hit"), *others, *length])
        response.write(b"body")
        response.close()
        return b"".join(call.args[0] for call in client.mock_calls)

    assert sent(Response) == sent(wsgi.Response)


def test_response_with_an_invalid_header_name_is_refused() -> None:
    request = next(RequestParser(Config(), [HEAD], HERE))
    headers = [("content-length", "4"), ("X: y\r\nSet-Cookie", "z")]

    with pytest.raises(InvalidResponseHeaderName):
        Response(request, Mock(), Config()).start_response("200 OK", headers)
