"""JSON-RPC messages of the Model Context Protocol, and the headers that repeat them.

Revision 2026-07-28 says with each request what the request needs. Earlier revisions begin with
`initialize`; their requests are answered in the same way, and nothing is remembered of them.
"""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import falcon
import orjson

REVISION: Final = "2026-07-28"
# The newest one comes first.
EARLIER_REVISIONS: Final = ("2025-11-25", "2025-06-18")
REVISIONS: Final = (REVISION, *EARLIER_REVISIONS)
_PREFIX: Final = "io.modelcontextprotocol/"
SERVER_INFO: Final = f"{_PREFIX}serverInfo"
_VERSION: Final = f"{_PREFIX}protocolVersion"
_CAPABILITIES: Final = f"{_PREFIX}clientCapabilities"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

Id = str | int | None


class RpcError(Exception):
    """An error of the protocol. Errors of a tool are results instead."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({"data": data} if data else {})
        self.status = HTTPStatus.NOT_FOUND if code == METHOD_NOT_FOUND else HTTPStatus.BAD_REQUEST


class Message(NamedTuple):
    """A request, or a notification if `id` is None."""

    id: Id
    method: str
    params: dict[str, Any]


def load(body: bytes) -> Any:
    """Parse a body. Raises RpcError."""
    try:
        return orjson.loads(body)  # which limits the depth to 1024
    except orjson.JSONDecodeError:
        raise RpcError(PARSE_ERROR, "The body must be JSON.") from None


def id_of(document: Any) -> Id:
    """Return the id of a message; None if it has no valid one."""
    value = document.get("id") if isinstance(document, dict) else None
    return value if type(value) in (str, int) else None


def message_of(document: Any) -> Message:
    """Return the message. Raises RpcError."""
    match document:
        case list():
            raise RpcError(INVALID_REQUEST, "Send each message in a request of its own.")
        case {"jsonrpc": "2.0", "method": str(method)}:
            if "id" in document and id_of(document) is None:
                raise RpcError(INVALID_REQUEST, "id must be a string or an integer.")
            params = document.get("params", {})
            if not isinstance(params, dict):
                raise RpcError(INVALID_PARAMS, "params must be an object.")
            return Message(id_of(document), method, params)
    raise RpcError(
        INVALID_REQUEST, 'The body must be a JSON-RPC request: {"jsonrpc": "2.0", "method": …}.'
    )


def revision_of(req: falcon.Request, message: Message) -> str:
    """Return the revision that a message follows. Raises RpcError if it breaks its rules."""
    header = req.get_header("MCP-Protocol-Version")
    meta = message.params.get("_meta")
    version = meta.get(_VERSION) if isinstance(meta, dict) else None
    if message.id is not None and (header == REVISION or version is not None):
        _check_request(req, message, meta if isinstance(meta, dict) else {})
    requested = header or version or EARLIER_REVISIONS[0]
    if requested not in REVISIONS:
        raise RpcError(
            UNSUPPORTED_VERSION,
            f"This server supports the revisions {', '.join(REVISIONS)}.",
            {"supported": REVISIONS, "requested": requested},
        )
    return requested


def _check_request(req: falcon.Request, message: Message, meta: Mapping[str, Any]) -> None:
    """Check what revision 2026-07-28 requires of each request."""
    missing = [
        name
        for name, kind in ((_VERSION, str), (_CAPABILITIES, dict))
        if not isinstance(meta.get(name), kind)
    ]
    if missing:
        raise RpcError(INVALID_PARAMS, f"params._meta must have {' and '.join(missing)}.")
    expected = {"MCP-Protocol-Version": meta[_VERSION], "Mcp-Method": message.method}
    if message.method == "tools/call":
        expected["Mcp-Name"] = message.params.get("name")
    for name, value in expected.items():
        header = req.get_header(name)
        if header is None or (_decoded(header) if name == "Mcp-Name" else header) != value:
            fault = "is required" if header is None else "must be equal to its value in the body"
            raise RpcError(HEADER_MISMATCH, f"The header {name} {fault}.")


def _decoded(value: str) -> str | None:
    """Return the value of a header that can be encoded as `=?base64?…?=`."""
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, ValueError):
        return None
