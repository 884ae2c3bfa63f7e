"""Middleware that creates a span for each request; used only if tracing is on."""

from http import HTTPStatus
from typing import Final

import falcon

from api.access.client_address import Proxies
from api.http.stream import at_end
from api.telemetry import tracing
from api.telemetry.logs import current_trace_id

# The headers of W3C Trace Context.
TRACE_CONTEXT: Final = ("traceparent", "tracestate")


class RequestSpan:
    """Creates a span for each request, and adds its trace id to the request's log lines."""

    def __init__(self, trusted: Proxies) -> None:
        """Create the middleware. trusted: proxies whose sampling decision is always followed."""
        self._trusted = trusted

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        received = {name: req.get_header(name) for name in TRACE_CONTEXT}
        headers = {name: value for name, value in received.items() if value is not None}
        trusted = "traceparent" in headers and req.remote_addr in self._trusted
        trace_id, span = tracing.request_span(req.method, headers, trusted=trusted)
        current_trace_id.set(trace_id)
        req.context.span, req.context.end_span = span.__enter__(), span.__exit__

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        at_end(resp, lambda: self._end(req, resp))

    def _end(self, req: falcon.Request, resp: falcon.Response) -> None:
        span = req.context.span
        if span.is_recording():
            span.update_name(f"{req.method} {req.uri_template or 'unmatched'}")
            span.set_attribute("http.request.method", req.method)
            span.set_attribute("url.path", req.path)
            span.set_attribute("http.response.status_code", resp.status_code)
            span.set_attribute("request_id", req.context.request_id)
            if req.uri_template:
                span.set_attribute("http.route", req.uri_template)
            if resp.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                tracing.mark_failed(span)
        req.context.end_span(None, None, None)
