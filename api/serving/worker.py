"""gunicorn's worker with stricter limits and our form of errors.

Invalid HTTP never reaches the application. The worker rejects it with a problem document that
quotes nothing of the request, because a broken header may contain a key.
"""

import json
import socket
import uuid
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import gevent
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.body import LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.util import write_nonblock

from api.errors import PROBLEM_MEDIA_TYPE, problem
from api.serving.gunicorn_request import Request
from api.serving.gunicorn_response import SERVER, Response
from api.serving.listener import SharingWorker
from api.serving.wsgi_environ import environ_of
from api.telemetry.events import Event
from api.telemetry.logs import current_trace_id, get_logger
from api.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Only /mcp reads a body, which has about 500 bytes. On other paths a small one does no harm.
MAX_BODY_BYTES: Final = 4096
# A client that reads nothing of its response for this long is considered gone.
STALLED_SECONDS: Final = 15
LINGER_SECONDS: Final = 1
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyTooLarge(errors.ParseException):
    """The request has a body of more than MAX_BODY_BYTES, or one of unknown length."""


class MissingHost(errors.ParseException):
    """HTTP/1.1 requires a Host header (RFC 9112, section 3.2)."""


_STATUSES: Final[dict[type[Exception], HTTPStatus]] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_DETAILS: Final[Mapping[object, str]] = {
    MissingHost: "HTTP/1.1 requires a Host header.",
    HTTPStatus.BAD_REQUEST: "The request is not valid HTTP/1.1.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request body is too large.",
}
# Errors in a response are our bugs. gunicorn's type stubs lack these two.
_RESPONSE_ERRORS: Final = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)  # type: ignore[attr-defined]

log = get_logger()


class Worker(SharingWorker):
    """The worker class of this service."""

    wsgi: Any  # an api.app.Application

    def run(self) -> None:
        replace_in_gunicorn(self.cfg)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS
            for listener in self.sockets:  # connections inherit it
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000
                )
        super().run()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop as after SIGTERM: gunicorn's own handler logs a traceback."""
        self.handle_exit(sig, frame)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        if req.version >= (1, 1) and "HOST" not in dict(req.headers):
            raise MissingHost
        reader = req.body.reader
        if not isinstance(reader, LengthReader) or reader.length > MAX_BODY_BYTES:
            raise BodyTooLarge
        self.cfg.pre_request(self, req)
        self.nr += 1
        self.alive = self.alive and self.nr < self.max_requests  # gunicorn then replaces it
        response = Response(req, sock, self.cfg)
        if not (self.alive and self.cfg.keepalive):
            response.force_close()
        try:
            if req._expected_100_continue:  # noqa: SLF001 - gunicorn has no other name for it
                sock.sendall(CONTINUE)
            self._respond(response, environ_of(req, addr, listener_name))
        except OSError:
            raise  # the client is gone
        except Exception:
            if not response.headers_sent:
                raise
            # An error cannot be answered any more. Without its end, the response is invalid.
            self.log.exception("Error handling request")
            response.force_close()
        if response.should_close():
            raise StopIteration
        return True

    def _respond(self, response: Response, environ: "WSGIEnvironment") -> None:
        body = self.wsgi(environ, response.start_response)
        try:
            for piece in body:
                response.write(piece)
            response.close()
        finally:
            if hasattr(body, "close"):
                body.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be served. The caller closes the connection."""
        if not isinstance(exc, Exception):
            return  # the worker ends
        current_trace_id.set(None)  # it may belong to the previous request of this connection
        request_id = uuid.uuid4().hex
        if isinstance(exc, errors.ParseException) and not isinstance(exc, _RESPONSE_ERRORS):
            status, code = _STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST), "invalid-request"
            log.warning(
                Event.CLIENT_REFUSED,
                request_id=request_id,
                client=addr[0] if addr else "",
                code=code,
                reason=type(exc).__name__,
            )
        else:
            status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error"
            log.error(Event.HTTP_ERROR, request_id=request_id, exc_info=exc)
        metrics: Metrics = self.wsgi.metrics
        metrics.request_served(None, "", status, 0)
        metrics.problem_answered(code)
        general = _DETAILS.get(status, f"{status.description or status.phrase}.")
        detail = _DETAILS.get(type(exc), general)
        head, body = _error_response(problem(status, code, status.phrase, detail, request_id))
        request = req or getattr(exc, "request", None)
        is_head = request is not None and request.method == "HEAD"
        with suppress(OSError, gevent.Timeout), gevent.Timeout(LINGER_SECONDS):
            write_nonblock(client, head if is_head else head + body)
            # Closing while data is still arriving would send a reset and discard the response.
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                gevent.sleep(0)  # a client that never stops sending would block the worker


def replace_in_gunicorn(cfg: Config) -> None:
    """Replace parts of gunicorn that have no setting.

    docs/adr/0019-replaced-parts-of-gunicorn.md says why.
    """
    RequestParser.mesg_class = Request
    # gunicorn reads its settings about twenty times for each request.
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})


def _error_response(document: Mapping[str, object]) -> tuple[bytes, bytes]:
    body = json.dumps(document).encode() + b"\n"
    head = (
        f"HTTP/1.1 {document['status']} {document['title']}\r\n"
        f"Server: {SERVER}\r\n"
        "Connection: close\r\n"
        f"Content-Type: {PROBLEM_MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"X-Request-ID: {document['request_id']}\r\n\r\n"
    )
    return head.encode(), body
