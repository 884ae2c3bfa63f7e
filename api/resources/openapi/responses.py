"""Access and responses in the OpenAPI document: keys, headers, and errors with their codes."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from api.access.audience import Audience
from api.errors import CODES, PROBLEM_MEDIA_TYPE, FlightPriceError, problem

# The empty one comes first, because a service without API_KEYS needs no key.
_CLIENT_KEYS: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}, {"header": []}]
SECURITY: Final = {
    Audience.CLIENTS: _CLIENT_KEYS,
    Audience.OPERATORS: [*_CLIENT_KEYS, {"basic": []}],
    Audience.ANYBODY: [],
}

# Errors that any path can answer with, most of them before routing.
COMMON_ERRORS: Final = {
    HTTPStatus.BAD_REQUEST: "invalid-request",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "invalid-request",
    HTTPStatus.REQUEST_URI_TOO_LONG: "invalid-request",
    HTTPStatus.EXPECTATION_FAILED: "invalid-request",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "invalid-request",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
    HTTPStatus.NOT_IMPLEMENTED: "invalid-request",
}
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "how to send a key"},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "the methods that this path supports"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "seconds to wait before the next try"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "seconds to wait before the next try"},
}


def responses(
    successes: Mapping[str, Any], errors: Iterable[type[FlightPriceError]] = ()
) -> dict[str, Any]:
    """Return the responses of a path: the successful ones, these errors and the common errors."""
    by_status: dict[HTTPStatus, list[type[FlightPriceError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    described = {
        str(status.value): error_response(status, {error.code: error.title for error in errors})
        for status, errors in by_status.items()
    }
    common = {
        str(status.value): {"$ref": f"#/components/responses/{status.value}"}
        for status in COMMON_ERRORS
    }
    return dict(sorted({**common, **described, **successes}.items()))


def common_responses() -> dict[str, Any]:
    """Return the components that `responses` refers to."""
    return {
        str(status.value): error_response(status, {code: status.phrase})
        for status, code in COMMON_ERRORS.items()
    }


def error_response(status: HTTPStatus, titles: Mapping[str, str]) -> dict[str, Any]:
    """Return an error response. titles: maps each of its codes to a title."""
    examples = {
        code: {"value": problem(status, code, title, f"{title}.", "5f0a7b3c")}
        for code, title in titles.items()
    }
    return {
        "description": "; ".join(f"`{code}`: {title}" for code, title in titles.items()),
        "headers": headers(_HEADERS.get(status, {})),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": examples,
            }
        },
    }


def headers(described: Mapping[str, str]) -> dict[str, Any]:
    """Return the headers of a response. described: maps each name to a description."""
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in described.items()
    }


def not_modified(described: Mapping[str, str]) -> dict[str, Any]:
    """Return the 304 of a response with these headers."""
    return {
        "description": "The answer that the client has is still current",
        "headers": headers(described),
    }


def if_none_match() -> dict[str, Any]:
    """Return the header parameter If-None-Match."""
    return {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETag of the answer that the client has",
        "schema": {"type": "string"},
    }


def problem_schema() -> dict[str, Any]:
    """Return the schema of a problem document."""
    members = problem(HTTPStatus.BAD_REQUEST, "", "", "", "")
    error = {
        "type": "object",
        "properties": {"parameter": {"type": "string"}, "detail": {"type": "string"}},
        "required": ["parameter", "detail"],
    }
    return {
        "title": "Problem",
        "description": "What went wrong (RFC 9457); programs should read `code`",
        "type": "object",
        "properties": {
            **{
                name: {"type": "integer" if isinstance(value, int) else "string"}
                for name, value in members.items()
            },
            "code": {"type": "string", "enum": list(CODES)},
            "errors": {"type": "array", "items": error, "description": "each error of the request"},
        },
        "required": list(members),
    }
