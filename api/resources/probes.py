"""What operators and orchestrators ask: is it alive, is it ready, which build is it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import falcon

from api import __version__
from api.services.lifecycle import Readiness


def _line(document: dict[str, Any]) -> bytes:
    """A document as a line of its own, which a terminal's prompt does not follow."""
    return json.dumps(document).encode() + b"\n"


def _answer(resp: falcon.Response, line: bytes) -> None:
    resp.content_type = falcon.MEDIA_JSON
    resp.set_header("Cache-Control", "no-store")  # it is true now, and may not be in a moment
    resp.data = line


class PingResource:
    """GET /flights/ping: a constant, whatever Redis and Amadeus do."""

    _BODY = _line({"data": "pong"})

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        _answer(resp, self._BODY)

    on_head = on_get


class HealthResource:
    """GET /healthz: the process serves; restart it if not."""

    _BODY = _line({"status": "ok"})

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        _answer(resp, self._BODY)

    on_head = on_get


class ReadinessResource:
    """GET /readyz: whether to send it requests."""

    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        self._readiness = readiness

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        readiness = self._readiness()
        resp.status = falcon.HTTP_200 if readiness.can_serve else falcon.HTTP_503
        checks = {name: asdict(check) for name, check in readiness.checks.items()}
        _answer(resp, _line({"status": readiness.status, "checks": checks}))

    on_head = on_get


class VersionResource:
    """GET /version."""

    _BODY = _line({"name": "flight-price-api", "version": __version__})

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        _answer(resp, self._BODY)

    on_head = on_get
