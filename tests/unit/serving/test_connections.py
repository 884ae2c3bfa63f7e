"""What the worker sends on a connection."""

import os
from collections.abc import Iterable, Iterator
from unittest.mock import Mock

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from api.serving.worker import Worker, replace_in_gunicorn
from api.telemetry.metrics import Metrics

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"


class Client:
    """A client that sends these bytes, and closes its side."""

    def __init__(self, requests: Iterable[bytes]) -> None:
        self._requests = iter(requests)
        self.received = b""

    def recv(self, _size: int) -> bytes:
        return next(self._requests, b"")

    def send(self, data: bytes) -> int:
        self.received += data
        return len(data)

    sendall = send

    def gettimeout(self) -> float:
        return 0.0

    def setblocking(self, _blocking: bool) -> None:
        pass

    shutdown = settimeout = setblocking

    def close(self) -> None:
        pass


class App:
    """A WSGI application that answers with the body of the request, then with these pieces."""

    def __init__(self, pieces: Iterable[bytes] = (), length: str = "0") -> None:
        self.metrics = Metrics()
        self.pieces = pieces
        self.length = length

    def __call__(self, environ: dict[str, Mock], start_response: Mock) -> Iterable[bytes]:
        if self.length:
            start_response("200 OK", [("content-length", self.length)])
        else:
            start_response("200 OK", [])
        return self.pieces or [environ["wsgi.input"].read()]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(RequestParser, "mesg_class", RequestParser.mesg_class)
    cfg = Config()
    replace_in_gunicorn(cfg)
    it = Worker(0, os.getpid(), [], None, 30, cfg, Mock())
    yield it
    it.tmp.close()


def answer(worker: Worker, app: App, *requests: bytes) -> bytes:
    client, listener = Client(requests), Mock()
    listener.getsockname.return_value = ("127.0.0.1", 8080)
    worker.wsgi = app
    worker.handle(listener, client, ("127.0.0.1", 50000))  # type: ignore[arg-type]
    return client.received


def test_connection_serves_one_request_after_the_other(worker: Worker) -> None:
    received = answer(worker, App(), HEAD, HEAD + HEAD)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert b"Connection: close" not in received


@pytest.mark.parametrize("field", [b"Connection: close", b"connection:Close"])
def test_connection_ends_when_the_client_asks_for_it(worker: Worker, field: bytes) -> None:
    received = answer(worker, App(), HEAD[:-2] + field + b"\r\n\r\n", HEAD)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert b"\r\nConnection: close\r\n" in received


def test_connection_of_a_stopping_worker_ends_with_the_next_response(worker: Worker) -> None:
    worker.alive = False

    received = answer(worker, App(), HEAD, HEAD)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert b"\r\nConnection: close\r\n" in received


def test_client_that_waits_with_its_body_is_asked_for_it(worker: Worker) -> None:
    received = answer(worker, App(length="4"), POST, b"body")

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nbody")


def broken() -> Iterator[bytes]:
    yield b"one"
    raise RuntimeError


def test_stream_that_breaks_off_has_no_end_and_ends_the_connection(worker: Worker) -> None:
    received = answer(worker, App(broken(), length=""), HEAD, HEAD)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert received.endswith(b"\r\n\r\n3\r\none\r\n")


def test_error_before_the_response_is_answered_as_a_problem(worker: Worker) -> None:
    app = Mock(side_effect=RuntimeError, metrics=Metrics())

    received = answer(worker, app, HEAD)

    assert received.startswith(b"HTTP/1.1 500 ")
    assert b'"code": "internal-error"' in received
