"""The request id, and the log line of each request."""

import re
import time
from functools import partial
from http import HTTPStatus
from random import getrandbits

import falcon

from api.http.stream import at_end
from api.telemetry.events import Event
from api.telemetry.logs import current_request_id, get_logger
from api.telemetry.metrics import Metrics

# Accepted from clients: safe in a header, in a log and in a shell.
VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# If a browser shows an answer as a page, it runs and loads nothing. Real pages override this.
DEFAULT_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"

log = get_logger()


class RequestContext:
    """Middleware that gives each request an id and a log line.

    A resource may set `req.context.end_fields`, which returns further fields of the line. The line
    of a stream is written when the stream ends.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        request_id = req.get_header("X-Request-ID")
        if request_id is None or not VALID_REQUEST_ID.fullmatch(request_id):
            # The id need not be secret, and uuid4 would cost a system call.
            request_id = f"{getrandbits(128):032x}"
        req.context.request_id = request_id
        req.context.started = time.monotonic()
        resp.set_header("X-Request-ID", request_id)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Content-Security-Policy", DEFAULT_CONTENT_SECURITY_POLICY)
        current_request_id.set(request_id)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, _succeeded: bool
    ) -> None:
        at_end(resp, partial(self._end, req, resp, resource))

    def _end(self, req: falcon.Request, resp: falcon.Response, resource: object) -> None:
        seconds = time.monotonic() - req.context.started
        self._metrics.request_served(req.uri_template, req.method, resp.status_code, seconds)
        line = {
            "method": req.method,
            "path": req.path,
            "status": resp.status_code,
            "duration_ms": round(seconds * 1000, 2),
        }
        if tool := getattr(req.context, "tool", None):
            line["tool"] = tool
        hit = getattr(req.context, "cache_hit", None)
        if hit is not None:
            log.info(Event.CACHE_HIT, **line, **hit)
            return
        # Orchestrators probe every few seconds, so a successful probe gets no line by default.
        is_probe = getattr(resource, "is_probe", False)
        is_routine = is_probe and resp.status_code == HTTPStatus.OK
        write = log.debug if is_routine else log.info
        fields: dict[str, object] = getattr(req.context, "end_fields", dict)()
        write(Event.HTTP_REQUEST, **line, cache=resp.get_header("X-Cache"), **fields)
