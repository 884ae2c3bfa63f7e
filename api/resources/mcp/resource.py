"""POST /mcp."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import falcon
import gevent
import orjson

from api import __version__
from api.access.audience import Audience
from api.errors import FlightPriceError, Forbidden, problem_of, retry_after_seconds
from api.resources.mcp.messages import (
    EARLIER_REVISIONS,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    REVISION,
    REVISIONS,
    SERVER_INFO,
    Message,
    RpcError,
    id_of,
    load,
    message_of,
    revision_of,
)
from api.resources.mcp.tools import Tools
from api.telemetry.metrics import Metrics

BODY_SECONDS: Final = 5
SERVER: Final = {"name": "flight-price-api", "version": __version__}
INSTRUCTIONS: Final = (
    "Flight prices from Amadeus. Prefer price_calendar with known=true to look around for free,"
    " and tell the user if amadeus_environment is sandbox or duffel-test: those prices are"
    " invented."
)
# Clients and shared caches may keep results that depend only on the version and the settings.
_CACHING: Final = {"ttlMs": 300_000, "cacheScope": "public"}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class McpResource:
    """The tools, for clients of the Model Context Protocol. Each request stands by itself."""

    audience = Audience.CLIENTS

    def __init__(self, tools: Tools, cors_origins: str | None, metrics: Metrics) -> None:
        """Create the resource. cors_origins: those whose web pages may use it."""
        self._tools = tools
        self._origins = (cors_origins or "").split(",")
        self._metrics = metrics

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._check_origin(req)
        if (req.content_type or "").partition(";")[0].strip().lower() != falcon.MEDIA_JSON:
            raise falcon.HTTPUnsupportedMediaType(description="Content-Type must be JSON.")
        document: Any = None
        revision = REVISION
        try:
            document = load(_body_of(req))
            message = message_of(document)
            revision = revision_of(req, message)
            if message.id is None:  # a notification is not answered
                resp.status = falcon.HTTP_202
                return
            answer = {"result": self._result(req, resp, message, revision)}
        except RpcError as error:
            self._metrics.problem_answered("invalid-request")
            answer = {"error": error.error}
            # Clients of an earlier revision expect the errors of a method with status 200.
            resp.status = error.status if revision == REVISION else falcon.HTTP_200
        identity = {} if (id_ := id_of(document)) is None else {"id": id_}
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "no-store")
        resp.data = orjson.dumps({"jsonrpc": "2.0", **identity, **answer}) + b"\n"

    def _check_origin(self, req: falcon.Request) -> None:
        """Refuse other web pages. Raises Forbidden.

        A name that an attacker points at this host can be in `Host` and in `Origin` alike. So a
        page of this host counts only under the names of the local host.
        """
        origin = req.get_header("Origin")
        if origin is None or origin in self._origins or "*" in self._origins:
            return
        try:
            parts = urlsplit(origin)
            is_local = parts.hostname in _LOOPBACK and parts.netloc == req.get_header("Host")
        except ValueError:
            is_local = False
        if not is_local:
            raise Forbidden("Web pages of this origin have no access; CORS_ORIGINS allows some.")

    def _result(
        self, req: falcon.Request, resp: falcon.Response, message: Message, revision: str
    ) -> dict[str, Any]:
        methods: dict[str, Callable[[], dict[str, Any]]] = {
            "tools/list": lambda: {"tools": self._tools.definitions(), **_CACHING},
            "tools/call": lambda: self._call(req, resp, message.params),
        }
        if revision == REVISION:
            methods["server/discover"] = _discover
        else:
            methods |= {"initialize": lambda: _initialize(message.params), "ping": dict}
        if message.method not in methods:
            raise RpcError(METHOD_NOT_FOUND, f"The methods are {', '.join(sorted(methods))}.")
        result = methods[message.method]()
        if revision != REVISION:
            return result
        return {"resultType": "complete", **result, "_meta": {SERVER_INFO: SERVER}}

    def _call(
        self, req: falcon.Request, resp: falcon.Response, params: dict[str, Any]
    ) -> dict[str, Any]:
        name, arguments = params.get("name"), params.get("arguments", {})
        if not isinstance(name, str) or name not in self._tools.names:
            tools = ", ".join(self._tools.names)
            raise RpcError(INVALID_PARAMS, f"Unknown tool; the tools are {tools}.")
        if not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "arguments must be an object.")
        req.context.tool = name
        try:
            result = self._tools.call(name, req, resp, arguments)
        except FlightPriceError as error:
            self._metrics.problem_answered(error.code)
            text = problem_of(error, req.context.request_id)
            retry_after = retry_after_seconds(error)
            if retry_after is not None:
                text["retry_after"] = retry_after
            return {"content": [_text(text)], "isError": True}
        return {"content": [_text(result)], "structuredContent": result, "isError": False}


def _discover() -> dict[str, Any]:
    return {
        "supportedVersions": REVISIONS,
        "capabilities": {"tools": {}},
        "instructions": INSTRUCTIONS,
        **_CACHING,
    }


def _initialize(params: dict[str, Any]) -> dict[str, Any]:
    requested = params.get("protocolVersion")
    return {
        "protocolVersion": requested if requested in EARLIER_REVISIONS else EARLIER_REVISIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": SERVER,
        "instructions": INSTRUCTIONS,
    }


def _text(document: dict[str, Any]) -> dict[str, str]:
    return {"type": "text", "text": orjson.dumps(document).decode()}


def _body_of(req: falcon.Request) -> bytes:
    """Return the body, whose size the worker limits. Raises HTTPError if it is slow."""
    with gevent.Timeout(BODY_SECONDS, falcon.HTTPError(HTTPStatus.REQUEST_TIMEOUT)):
        body: bytes = req.bounded_stream.read()
        return body
