"""Responses of the worker itself, which do not reach the application."""

import socket
from itertools import chain, repeat
from unittest.mock import Mock, create_autospec

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.parser import RequestParser

from api.serving.gunicorn_request import Request
from api.serving.gunicorn_response import Response
from api.serving.worker import SERVER, Worker, replace_in_gunicorn
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
    for name in ("SERVER", "Response", "WSGIErrorsWrapper"):
        monkeypatch.setattr(wsgi, name, getattr(wsgi, name))
    monkeypatch.setattr(RequestParser, "mesg_class", RequestParser.mesg_class)
    cfg = Config()
    replace_in_gunicorn(cfg)
    return cfg


def request_of(cfg: Config) -> GunicornRequest:
    return next(RequestParser(cfg, [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], HERE))


def test_gunicorn_uses_the_parts_that_replace_its_own(replaced: Config) -> None:
    request, client = request_of(replaced), create_autospec(socket.socket)

    response, first = wsgi.create(request, client, HERE, HERE, replaced)
    _, second = wsgi.create(request, client, HERE, HERE, replaced)

    assert isinstance(request, Request)
    assert isinstance(response, Response)
    assert response.version == SERVER
    assert first["wsgi.errors"] is second["wsgi.errors"]


def test_gunicorn_reads_its_settings_from_attributes(
    replaced: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Config, "__getattr__")

    request = request_of(replaced)
    assert wsgi.create(request, create_autospec(socket.socket), HERE, HERE, replaced)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
@pytest.mark.parametrize("length", [[], [("Content-Length", "4")]])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
def test_response_is_the_same_as_that_of_gunicorn(
    version: tuple[int, int],
    length: list[tuple[str, str]],
    status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_790_000_000.5)
    request = request_of(Config())
    request.version = version
    headers = [
        ("x-cache", "hit"),
        ("Age", " 0 "),
        ("X-Empty", ""),
        ("Connection", "close"),
        *length,
    ]

    def sent(response_class: type[wsgi.Response]) -> bytes:
        client = create_autospec(socket.socket)
        client.send.side_effect = len
        response = response_class(request, client, Config())
        response.start_response(status, headers)
        response.write(b"body")
        response.close()
        return b"".join(call.args[0] for call in client.mock_calls)

    assert sent(Response) == sent(wsgi.Response)
