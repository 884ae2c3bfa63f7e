"""What operators and orchestrators ask: is it alive, is it ready, which build is it."""

import json
import platform
from collections.abc import Callable
from dataclasses import asdict

import falcon

from api import __version__
from api.services.lifecycle import Readiness


class PingResource:
    """GET /flights/ping: a constant, whatever Redis and Amadeus do."""

    _BODY = json.dumps({"data": "pong"}).encode() + b"\n"

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._BODY

    on_head = on_get


class HealthResource:
    """GET /healthz: the process serves; restart it if not."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": "ok"}

    on_head = on_get


class ReadinessResource:
    """GET /readyz: whether to send it requests."""

    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        self._readiness = readiness

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        readiness = self._readiness()
        resp.status = falcon.HTTP_200 if readiness.can_serve else falcon.HTTP_503
        resp.media = {
            "status": readiness.status,
            "checks": {name: asdict(check) for name, check in readiness.checks.items()},
        }

    on_head = on_get


class VersionResource:
    """GET /version."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {
            "name": "flight-price-api",
            "version": __version__,
            "python": platform.python_version(),
        }

    on_head = on_get
