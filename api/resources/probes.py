"""What operators and orchestrators ask: is it alive, is it ready, which build is it."""

from collections.abc import Callable
from dataclasses import asdict

import falcon

from api import __version__
from api.audience import Audience
from api.services.lifecycle import Readiness


class PingResource:
    """GET /flights/ping: a constant, whatever Redis and Amadeus do."""

    audience = Audience.ANYBODY

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = {"data": "pong"}

    on_head = on_get


class HealthResource:
    """GET /healthz: the process serves; restart it if not."""

    audience = Audience.ANYBODY
    is_probe = True

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = {"status": "ok"}

    on_head = on_get


class ReadinessResource:
    """GET /readyz: whether to send it requests."""

    audience = Audience.ANYBODY
    is_probe = True

    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        self._readiness = readiness

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        readiness = self._readiness()
        resp.status = falcon.HTTP_200 if readiness.can_serve else falcon.HTTP_503
        checks = {name: asdict(check) for name, check in readiness.checks.items()}
        resp.set_header("Cache-Control", "no-store")
        resp.media = {"status": readiness.status, "checks": checks}

    on_head = on_get


class VersionResource:
    """GET /version."""

    audience = Audience.ANYBODY

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = {"name": "flight-price-api", "version": __version__}

    on_head = on_get
