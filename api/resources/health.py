"""Liveness, readiness and version, for operators and orchestrators."""

from collections.abc import Callable
from dataclasses import asdict

import falcon

from api.access.audience import Audience
from api.services.lifecycle import Readiness


class ConstantResource:
    """A constant answer, independent of Redis and Amadeus."""

    audience = Audience.ANYBODY

    def __init__(self, document: dict[str, str], *, is_probe: bool = False) -> None:
        self._document = document
        self.is_probe = is_probe

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = self._document

    on_head = on_get


class ReadinessResource:
    """GET /readyz: whether this worker can serve requests."""

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
