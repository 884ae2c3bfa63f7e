"""GET /status.json: what the page at /status shows, for whoever would rather read it."""

import falcon
import orjson

from api.services.status import Status


class StatusResource:
    """How the service is, at a glance."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "no-store")
        resp.data = orjson.dumps(self._status.report(), option=orjson.OPT_APPEND_NEWLINE)

    on_head = on_get
