"""The request id, and the line of the log that ends each request."""

import re
import time
from http import HTTPStatus
from random import getrandbits

import falcon

from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import current_request_id, get_logger

# What a client may choose: safe in a header, in a log and in a shell.
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Should a browser take an answer for a page, it runs and loads nothing; real pages say otherwise.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"

log = get_logger()


class RequestContext:
    """Gives each request its id and its line in the log."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        request_id = req.get_header("X-Request-ID")
        if request_id is None or not SANE_REQUEST_ID.fullmatch(request_id):
            # To tell requests apart, not to be a secret: a syscall less than uuid4 takes.
            request_id = f"{getrandbits(128):032x}"
        req.context.request_id = request_id
        req.context.started = time.monotonic()
        resp.set_header("X-Request-ID", request_id)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Content-Security-Policy", NO_PAGE)
        current_request_id.set(request_id)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, _succeeded: bool
    ) -> None:
        seconds = time.monotonic() - req.context.started
        metrics.request_served(req.uri_template, req.method, resp.status_code, seconds)
        line = {
            "method": req.method,
            "path": req.path,
            "status": resp.status_code,
            "duration_ms": round(seconds * 1000, 2),
        }
        hit = getattr(req.context, "cache_hit", None)
        if hit is not None:
            log.info(Event.CACHE_HIT, **line, **hit)
            return
        # Orchestrators send probes every few seconds: only a bad answer is worth a line.
        is_probe = getattr(resource, "is_probe", False)
        is_routine = is_probe and resp.status_code == HTTPStatus.OK
        say = log.debug if is_routine else log.info
        say(Event.HTTP_REQUEST, **line, cache=resp.get_header("X-Cache"))
