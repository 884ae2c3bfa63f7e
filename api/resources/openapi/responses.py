"""How answers stand in the OpenAPI document: their headers, and every error with its code."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from api.errors import PROBLEM_MEDIA_TYPE, FlightPriceError, problem

# What may befall a request of any path, most of it before the path is looked at.
ANYWHERE: Final = {
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


def answers(
    good: Mapping[str, Any], errors: Iterable[type[FlightPriceError]] = ()
) -> dict[str, Any]:
    """The answers of a path: those that are good, these errors, and what may befall any request."""
    by_status: dict[HTTPStatus, list[type[FlightPriceError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    described = {
        str(status.value): problems(status, {error.code: error.title for error in found})
        for status, found in by_status.items()
    }
    anywhere = {
        str(status.value): {"$ref": f"#/components/responses/{status.value}"} for status in ANYWHERE
    }
    return dict(sorted({**anywhere, **described, **good}.items()))


def common_answers() -> dict[str, Any]:
    """The components that `answers` refers to, and the one of a path that does not exist."""
    everywhere = {**ANYWHERE, HTTPStatus.NOT_FOUND: "not-found"}
    return {
        str(status.value): problems(status, {code: status.phrase})
        for status, code in everywhere.items()
    }


def problems(status: HTTPStatus, titles: Mapping[str, str]) -> dict[str, Any]:
    """An error answer: of one status, with one of these codes, each with its title."""
    examples = {
        code: {"value": problem(status, code, title, f"{title}.", "5f0a7b3c")}
        for code, title in titles.items()
    }
    return {
        "description": "; ".join(f"`{code}`: {title}" for code, title in titles.items()),
        "headers": headers(_HEADERS.get(status, {})),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {"properties": {"code": {"enum": list(titles)}}},
                    ]
                },
                "examples": examples,
            }
        },
    }


def headers(described: Mapping[str, str]) -> dict[str, Any]:
    """Headers of an answer, by what each says."""
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in described.items()
    }


def unchanged(described: Mapping[str, str]) -> dict[str, Any]:
    """The 304 of an answer with these headers."""
    return {
        "description": "The answer that the client has is still current",
        "headers": headers(described),
    }


def if_none_match() -> dict[str, Any]:
    """The parameter that asks for it."""
    return {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETag of the answer that the client has",
        "schema": {"type": "string"},
    }


def problem_schema() -> dict[str, Any]:
    """The body of every error."""
    members = problem(HTTPStatus.BAD_REQUEST, "", "", "", "")
    fault = {
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
            "errors": {"type": "array", "items": fault, "description": "each error of the request"},
        },
        "required": list(members),
    }
