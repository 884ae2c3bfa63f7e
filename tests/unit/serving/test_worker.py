"""Responses of the worker itself, which do not reach the application."""

import socket
from itertools import chain, repeat
from unittest.mock import Mock, create_autospec

import gevent
from gunicorn.http.errors import InvalidHeader

from api.serving.worker import Worker
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
