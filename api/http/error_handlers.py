"""Answers to errors: problem documents (RFC 9457)."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final

import falcon
from falcon.media import JSONHandler

from api.errors import (
    PROBLEM_MEDIA_TYPE,
    FlightPriceError,
    problem,
    problem_of,
    retry_after_seconds,
)
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

_MIN_SIMILARITY: Final = 0.8
# The final line feed puts a terminal's prompt on a new line.
JSON_LINES: Final = JSONHandler(dumps=lambda document: json.dumps(document) + "\n")

log = get_logger()

_CODES = {
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
}


def add_error_handlers(
    app: falcon.App[Any, Any], metrics: Metrics, paths: Iterable[str] = ()
) -> None:
    """Answer our own errors, Falcon's and unexpected ones with problem documents.

    paths: those to suggest for an unknown one; the files that pages load are left out.
    """
    suggested = [path for path in paths if not path.endswith((".css", ".js"))]
    handlers = _ErrorHandlers(metrics, suggested)
    app.resp_options.media_handlers[PROBLEM_MEDIA_TYPE] = JSON_LINES
    app.set_error_reporter(_report)
    app.add_error_handler(Exception, handlers.handle_unexpected)
    app.add_error_handler(falcon.HTTPError, handlers.handle_http_error)
    app.add_error_handler(FlightPriceError, handlers.handle_domain_error)


class _ErrorHandlers:
    def __init__(self, metrics: Metrics, paths: Sequence[str]) -> None:
        self._metrics = metrics
        self._paths = paths

    def handle_domain_error(
        self, req: falcon.Request, resp: falcon.Response, error: FlightPriceError, _params: object
    ) -> None:
        retry_after = retry_after_seconds(error)
        if retry_after is not None:
            resp.set_header("Retry-After", str(retry_after))
        self._write_response(resp, error.status, problem_of(error, req.context.request_id))

    def handle_http_error(
        self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: object
    ) -> None:
        status = HTTPStatus(error.status_code)
        if error.headers:
            resp.set_headers(error.headers)
        detail = {
            HTTPStatus.NOT_FOUND: self._not_found_detail(req.path),
            HTTPStatus.METHOD_NOT_ALLOWED: f"{req.method} is not allowed for this path.",
        }.get(status, error.description or status.description)
        code = _CODES.get(status, "invalid-request")
        self._write_response(
            resp, status, problem(status, code, status.phrase, detail, req.context.request_id)
        )

    def handle_unexpected(
        self, req: falcon.Request, resp: falcon.Response, _error: Exception, params: object
    ) -> None:
        detail = "Internal error. Search the log for this request_id."
        internal = falcon.HTTPInternalServerError(description=detail)
        self.handle_http_error(req, resp, internal, params)

    def _write_response(
        self, resp: falcon.Response, status: HTTPStatus, document: dict[str, object]
    ) -> None:
        self._metrics.problem_answered(str(document["code"]))
        resp.status = status
        resp.content_type = PROBLEM_MEDIA_TYPE
        resp.media = document
        if resp.get_header("Cache-Control") is None:
            resp.set_header("Cache-Control", "no-store")

    def _not_found_detail(self, path: str) -> str:
        similar = get_close_matches(path, self._paths, n=1, cutoff=_MIN_SIMILARITY)
        hint = f"; did you mean {similar[0]}?" if similar else "."
        return (
            f"There is no such path{hint} Prices are at"
            " /flights/price?origin=JFK&destination=LAX&date=YYYY-MM-DD;"
            " see /docs for everything else."
        )


def _report(req: falcon.Request, error: Exception, params: object, handled: bool) -> None:
    """Log a bug with its traceback. For other errors, the line of the request is enough."""
    del req, params, handled
    if not isinstance(error, falcon.HTTPError | falcon.HTTPStatus | FlightPriceError):
        log.error(Event.HTTP_ERROR, exc_info=error)
