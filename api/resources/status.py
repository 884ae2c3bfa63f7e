"""GET /status.json: what the page at /status shows, for whoever would rather read it."""

import falcon

from api.access.audience import Audience
from api.services.status_report import Status


class StatusResource:
    """How the service is, at a glance."""

    audience = Audience.OPERATORS
    is_for_scripts = True

    def __init__(self, status: Status) -> None:
        self._status = status

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = self._status.report()

    on_head = on_get
