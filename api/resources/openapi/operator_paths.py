"""The paths for operators and orchestrators in the OpenAPI document."""

from typing import Any, Final

import falcon

from api.access.audience import Audience
from api.errors import Forbidden, TooManyRequests, Unauthorized
from api.resources.openapi.responses import (
    SECURITY,
    headers,
    if_none_match,
    not_modified,
    responses,
)

JSON: Final = falcon.MEDIA_JSON
TEXT: Final[dict[str, Any]] = {"type": "string"}
NUMBER: Final[dict[str, Any]] = {"type": "number"}
NUMBER_IF_ANY: Final[dict[str, Any]] = {"type": ["number", "null"]}
_ACCESS_ERRORS: Final = (Unauthorized, Forbidden, TooManyRequests)
_PAGE_HEADERS: Final = {
    "ETag": "identifies this version of the page; send it as If-None-Match",
    "Cache-Control": "no-cache: revalidate before each use",
}


def operator_paths() -> dict[str, Any]:
    """Return all paths except those of the prices."""
    pong = _object(data={"const": "pong"})
    return {
        "/": _front_page(),
        "/flights/ping": _path(
            "ping",
            "Whether the service answers",
            "Answers `pong`, whatever Redis and Amadeus do.",
            pong,
        ),
        "/ping": _path(
            "shortPing", "Alias of /flights/ping", "The same answer under a shorter path.", pong
        ),
        "/healthz": _path(
            "health",
            "Liveness; restart the process if it fails",
            "Answers as long as the process lives, whatever Redis and Amadeus do.",
            _object(status=TEXT),
        ),
        "/readyz": _readiness(),
        "/version": _path(
            "version",
            "Version of the service",
            "The name of the service, and which version of it runs.",
            _object(name=TEXT, version=TEXT),
        ),
        "/metrics": _path(
            "metrics",
            "Metrics for Prometheus",
            "The metrics of all workers in the text format of Prometheus.",
            TEXT,
            falcon.MEDIA_TEXT,
            Audience.OPERATORS,
        ),
        "/openapi.json": _path(
            "document",
            "The description of the API (OpenAPI)",
            "This document: every path with its parameters, answers and errors.",
            {"type": "object"},
        ),
        "/status": _page(
            "status",
            "State of the service",
            "A page for people, which shows the figures of `/status.json`.",
            Audience.OPERATORS,
        ),
        "/status.json": _path(
            "statusReport",
            "The state as JSON",
            "Counts, ratios and latencies of all workers, since the start and lately.",
            _report(),
            audience=Audience.OPERATORS,
        ),
        "/docs": _page(
            "docs",
            "The description of the API as an interactive page",
            "A page for people, which shows `/openapi.json` and sends requests.",
        ),
    }


def _path(
    operation: str,
    summary: str,
    description: str,
    schema: dict[str, Any],
    media_type: str = JSON,
    audience: Audience = Audience.ANYBODY,
) -> dict[str, Any]:
    answer = {"description": summary, "content": {media_type: {"schema": schema}}}
    errors = _ACCESS_ERRORS if audience is Audience.OPERATORS else ()
    get = {
        "operationId": operation,
        "tags": ["operation"],
        "summary": summary,
        "description": description,
        "security": SECURITY[audience],
        "responses": responses({"200": answer}, errors),
    }
    return {"get": get}


def _page(
    operation: str, summary: str, description: str, audience: Audience = Audience.ANYBODY
) -> dict[str, Any]:
    path = _path(operation, summary, description, TEXT, falcon.MEDIA_HTML, audience)
    path["get"]["parameters"] = [if_none_match()]
    path["get"]["responses"]["200"]["headers"] = headers(_PAGE_HEADERS)
    path["get"]["responses"]["304"] = not_modified(_PAGE_HEADERS)
    return path


def _front_page() -> dict[str, Any]:
    path = _page(
        "front",
        "A page to search a month, or this list",
        "A browser gets the page, and a program gets the summary of each path.",
    )
    path["get"]["responses"]["200"]["content"][JSON] = {
        "schema": _object(
            name=TEXT, version=TEXT, paths={"type": "object", "additionalProperties": TEXT}
        )
    }
    return path


def _readiness() -> dict[str, Any]:
    readiness = _object(status=_STATUS, checks=_CHECKS)
    path = _path(
        "readiness",
        "Readiness; whether to send requests",
        "Names the state of each part. A worker without Redis or Amadeus is `degraded`, and takes"
        " requests.",
        readiness,
    )
    path["get"]["responses"]["503"] = {
        "description": "The worker is starting or stopping",
        "content": {JSON: {"schema": readiness}},
    }
    return path


def _report() -> dict[str, Any]:
    counts = ("lookups", "calls", "provider_calls", "needed", "unmet", "calls_saved")
    rates = dict.fromkeys(counts, NUMBER)
    rates |= dict.fromkeys(("hit_ratio", "latency", "error_rate"), NUMBER_IF_ANY)
    step = {name: rates[name] for name in ("lookups", "calls", "latency", "error_rate")}
    token = dict.fromkeys(("age", "life", "refresh_at", "refresh_in"), NUMBER)
    return _object(
        status=_STATUS,
        checks=_object(cache=TEXT, token=TEXT, amadeus=TEXT),
        environment=TEXT,
        version=TEXT,
        workers=NUMBER,
        token={"anyOf": [_object(**token), {"type": "null"}]},
        redis={"anyOf": [_object(down_workers=NUMBER, errors=NUMBER), {"type": "null"}]},
        since_start=_object(**rates),
        lately=_object(seconds=NUMBER, **rates),
        breaker=_object(open_workers=NUMBER, opened=NUMBER),
        retries=NUMBER,
        pacing=_object(waits=NUMBER, average=NUMBER_IF_ANY),
        problems={"type": "array", "items": _object(code=TEXT, count=NUMBER, ago=NUMBER)},
        history={"type": "array", "items": _object(**step)},
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_STATUS: Final = {"enum": ["ready", "degraded", "starting", "stopping"]}
_CHECKS: Final = {
    "type": "object",
    "additionalProperties": _object(
        status=TEXT, age={**NUMBER_IF_ANY, "description": "seconds since it was last seen"}
    ),
}
