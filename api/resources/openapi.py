"""GET /openapi.json: what may be asked and what is answered (OpenAPI 3.1).

The parameters and the price are those of the pydantic models, the errors those of the error
tree; here is only how they stand in a document.
"""

import datetime as dt
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import falcon

from api import __version__
from api.errors import (
    PROBLEM_MEDIA_TYPE,
    UPSTREAM_ERRORS,
    FlightPriceError,
    Forbidden,
    InvalidRequest,
    NoOffers,
    TooManyRequests,
    Unauthorized,
    problem,
)
from api.models import FlightPrice, PriceRequest

EXAMPLE_DAYS_AHEAD: Final = 30
_PRICE_ERRORS: Final[tuple[type[FlightPriceError], ...]] = (
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NoOffers,
    TooManyRequests,
    *UPSTREAM_ERRORS.values(),
)
_ANYWHERE: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
}

_CACHE_HEADERS: Final = {
    "X-Cache": "where the answer came from: hit, miss, bypass or stale",
    "Cache-Status": "the same for programs (RFC 9211)",
    "Age": "seconds since the price was fetched",
    "Cache-Control": "for how many seconds the answer may be used again",
}
_PRICE_HEADERS: Final = {
    "X-Request-ID": "the request's name in the log; the client's own, if it sent a sane one",
    "X-Amadeus-Environment": "which Amadeus the price is from; those of sandbox are invented",
    **_CACHE_HEADERS,
    "ETag": "names this very answer, for If-None-Match",
}


class OpenApiResource:
    """The document; its examples are good on the day on which it is asked for."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "max-age=300")
        resp.data = json.dumps(document(), indent=1).encode() + b"\n"

    on_head = on_get


def document() -> dict[str, Any]:
    """The OpenAPI document of the service."""
    day = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=EXAMPLE_DAYS_AHEAD)).isoformat()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flight price API",
            "version": __version__,
            "summary": "The cheapest flight from A to B on a day, from Amadeus.",
            "description": (
                "Prices are kept for ten minutes; `nocache=1` fetches anew. Every path also"
                " answers `HEAD` and `OPTIONS`, and takes a slash at its end."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "prices", "description": "What the service is for"},
            {"name": "operation", "description": "How the service is"},
        ],
        "paths": {"/flights/price": {"get": _price(day)}, **_paths_of_operation()},
        "components": {
            "schemas": {
                "FlightPrice": FlightPrice.model_json_schema(),
                "Problem": _problem_schema(),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _price(day: str) -> dict[str, Any]:
    price = {"origin": "JFK", "destination": "LAX", "departure_date": day, "price": "250 USD"}
    by_status: dict[HTTPStatus, list[type[FlightPriceError]]] = {}
    for error in _PRICE_ERRORS:
        by_status.setdefault(error.status, []).append(error)
    return {
        "operationId": "cheapestPrice",
        "tags": ["prices"],
        "summary": "The cheapest price",
        # The empty one first: a key is needed only where the service has any.
        "security": [{}, {"bearer": []}, {"header": []}],
        "parameters": [*_parameters(day), _if_none_match()],
        "responses": {
            "200": {
                "description": "The smallest total among the offers of that day",
                "headers": _headers(_PRICE_HEADERS),
                "content": {
                    falcon.MEDIA_JSON: {
                        "schema": {
                            "type": "object",
                            "properties": {"data": {"$ref": "#/components/schemas/FlightPrice"}},
                            "required": ["data"],
                            "additionalProperties": False,
                        },
                        "example": {"data": price},
                    }
                },
            },
            "304": {
                "description": "The answer that If-None-Match names is still the right one",
                "headers": _headers(_PRICE_HEADERS),
            },
            **{
                str(status.value): _problems(status, {one.code: one.title for one in errors})
                for status, errors in sorted(by_status.items())
            },
            **_problems_of_any_path(),
        },
    }


def _parameters(day: str) -> list[dict[str, Any]]:
    schema = PriceRequest.model_json_schema()
    return [
        _parameter(name, _resolved(field, schema["$defs"]), name in schema["required"], day)
        for name, field in schema["properties"].items()
    ]


def _parameter(name: str, field: dict[str, Any], required: bool, day: str) -> dict[str, Any]:
    field.pop("title", None)
    examples = field.setdefault("examples", [day])
    if isinstance(field.get("default"), bool):
        field["default"] = str(field["default"]).lower()
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": field.pop("description"),
        "schema": field,
        # For the required parameters only: the page fills them in for whoever tries it out.
        **({"example": examples[0]} if required else {}),
    }


def _resolved(field: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A field as a parameter of a URL: never null, and without references."""
    described = {key: value for key, value in field.items() if key != "anyOf"}
    if described.get("default", ...) is None:
        del described["default"]
    for choice in field.get("anyOf", ()):
        if "$ref" in choice:
            choice = definitions[choice["$ref"].rpartition("/")[2]]  # noqa: PLW2901
        if choice != {"type": "null"}:
            return {**choice, **described}
    return described


def _if_none_match() -> dict[str, Any]:
    return {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "the ETag of an answer that the client has",
        "schema": {"type": "string"},
    }


def _paths_of_operation() -> dict[str, Any]:
    text, page = falcon.MEDIA_TEXT, falcon.MEDIA_HTML
    status = {"type": "object", "properties": {"status": {"type": "string"}}}
    pong = {"type": "object", "properties": {"data": {"const": "pong"}}, "required": ["data"]}
    version = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("name", "version", "python")},
        "required": ["name", "version", "python"],
    }
    return {
        "/flights/ping": _probe("ping", "Whether anybody answers", pong),
        "/ping": _probe("shortPing", "The same", pong),
        "/healthz": _probe("health", "Whether the process serves; restart it if not", status),
        "/readyz": _readiness(),
        "/version": _probe("version", "Which build it is", version),
        "/metrics": _probe("metrics", "Metrics for Prometheus", {"type": "string"}, text),
        "/openapi.json": _probe("document", "This document", {"type": "object"}),
        "/status": _probe("status", "How it is, for people", {"type": "string"}, page),
        "/status.json": _probe("statusReport", "The same as JSON", {"type": "object"}),
        "/docs": _probe("docs", "This document, to read and to try out", {"type": "string"}, page),
    }


def _probe(
    operation: str, summary: str, schema: dict[str, Any], media_type: str = falcon.MEDIA_JSON
) -> dict[str, Any]:
    answer = {"description": summary, "content": {media_type: {"schema": schema}}}
    return {
        "get": {
            "operationId": operation,
            "tags": ["operation"],
            "summary": summary,
            "responses": {"200": answer, **_problems_of_any_path()},
        }
    }


def _readiness() -> dict[str, Any]:
    check = {
        "type": "object",
        "properties": {
            "status": {"type": "string"},
            "age": {"type": ["number", "null"], "description": "seconds since it was seen"},
        },
        "required": ["status", "age"],
    }
    schema = {
        "type": "object",
        "properties": {
            "status": {"enum": ["ready", "degraded", "starting", "stopping"]},
            "checks": {"type": "object", "additionalProperties": check},
        },
        "required": ["status", "checks"],
    }
    path = _probe("readiness", "Whether to send it requests", schema)
    path["get"]["responses"]["503"] = {
        "description": "It starts or stops",
        "content": {falcon.MEDIA_JSON: {"schema": schema}},
    }
    return path


def _headers(described: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in described.items()
    }


def _problems(status: HTTPStatus, titles: Mapping[str, str]) -> dict[str, Any]:
    """An error answer: of one status, with one of these codes, each with its title."""
    examples = {
        code: {"value": problem(status, code, title, f"{title}.", "5f0a7b3c")}
        for code, title in titles.items()
    }
    return {
        "description": "; ".join(f"`{code}`: {title}" for code, title in titles.items()),
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


def _problems_of_any_path() -> dict[str, Any]:
    return {
        str(status.value): _problems(status, {code: status.phrase})
        for status, code in _ANYWHERE.items()
    }


def _problem_schema() -> dict[str, Any]:
    members = problem(HTTPStatus.BAD_REQUEST, "", "", "", "")
    fault = {
        "type": "object",
        "properties": {"parameter": {"type": "string"}, "detail": {"type": "string"}},
        "required": ["parameter", "detail"],
    }
    return {
        "title": "Problem",
        "description": "What went wrong (RFC 9457); `code` names it for programs",
        "type": "object",
        "properties": {
            **{
                name: {"type": "integer" if isinstance(value, int) else "string"}
                for name, value in members.items()
            },
            "errors": {"type": "array", "items": fault, "description": "each fault of a request"},
        },
        "required": list(members),
    }
