"""Serves requests through the service's worker in this process, without sockets and the kernel."""

import os
import runpy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config

from api.serving.worker import Worker, replace_in_gunicorn
from bench.processes import ROOT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Client:
    """A client that sends its next request as soon as the answer to the last one has begun."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = iter(requests)
        self.answers = 0

    def recv(self, _size: int) -> bytes:
        return next(self._requests, b"")

    def send(self, data: bytes) -> int:
        self.answers += data.startswith(b"HTTP/1.1 200 ")
        return len(data)

    def setblocking(self, _blocking: bool) -> None:
        pass

    def close(self) -> None:
        pass


class _Listener:
    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8080


def settings() -> Config:
    """Return gunicorn's settings of the service. This sends the log of the process to stdout."""
    cfg = Config()
    for name, value in runpy.run_path(str(ROOT / "gunicorn.conf.py")).items():
        if name in cfg.settings:
            cfg.set(name, value)
    return cfg


def connection(cfg: Config, app: "WSGIApplication", paths: Sequence[str]) -> Callable[[], None]:
    """Return a function that requests all paths on one connection.

    It raises RuntimeError unless every status is 200.
    """
    replace_in_gunicorn(cfg)
    logger = cfg.logger_class(cfg)
    worker: Any = Worker(0, os.getpid(), [], None, 30, cfg, logger)
    worker.wsgi, worker.alive = app, True
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\r\n".encode()
        for path in paths
    ]

    def ask() -> None:
        client = _Client(requests)
        worker.handle(_Listener(), client, ("127.0.0.1", 50000))
        if client.answers != len(requests):
            raise RuntimeError(f"{client.answers} of {len(requests)} requests were answered 200")

    return ask
