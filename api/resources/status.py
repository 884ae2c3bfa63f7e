"""GET /status.json."""

import falcon

from api.access.audience import Audience
from api.services.status_report import Status


class StatusResource:
    """The report that /status shows, as JSON."""

    audience = Audience.OPERATORS
    is_for_scripts = True

    def __init__(self, status: Status) -> None:
        self._status = status

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.media = self._status.report()

    on_head = on_get
