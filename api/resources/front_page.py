"""GET /: a page for people, or a list of the endpoints for programs."""

import datetime as dt
import json
from functools import cached_property
from typing import Final

import falcon

from api import __version__
from api.access.audience import Audience
from api.http.cache_headers import set_etag
from api.http.media_types import preferred
from api.resources.openapi.document import document
from api.resources.static_pages import FRONT, FileResource

HTML: Final = "text/html"


class FrontPageResource:
    """The page if `Accept` names text/html, and otherwise the endpoints as JSON."""

    audience = Audience.ANYBODY

    def __init__(self) -> None:
        self._page = FileResource(FRONT / "page.html", self.audience)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.append_header("Vary", "Accept")
        if HTML in req.accept.lower() and preferred(req, (HTML, falcon.MEDIA_JSON)) == HTML:
            self._page.on_get(req, resp)
            return
        resp.set_header("Cache-Control", "no-cache")
        if not set_etag(req, resp, self._index):
            resp.content_type = falcon.MEDIA_JSON
            resp.data = self._index

    on_head = on_get

    @cached_property
    def _index(self) -> bytes:
        paths = document(dt.datetime.now(dt.UTC).date().isoformat(), oldest=0)["paths"]
        summaries = {
            path: next(iter(operations.values()))["summary"] for path, operations in paths.items()
        }
        # Not in the document: its messages are those of another protocol.
        summaries["/mcp"] = "Tools for agents (Model Context Protocol), with POST"
        index = {"name": "flight-price-api", "version": __version__, "paths": summaries}
        return json.dumps(index).encode() + b"\n"
