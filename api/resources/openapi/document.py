"""GET /openapi.json: the description of the API (OpenAPI 3.1).

Parameters and prices come from the pydantic models, and errors from the classes in api/errors.py.
"""

import datetime as dt
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import falcon
from pydantic import BaseModel

from api import __version__
from api.access.audience import Audience
from api.errors import PRICE_ERRORS
from api.models import CalendarEnd, FlightCalendar, FlightOffer, FlightPrice, PriceRequest
from api.resources.openapi.calendar_operation import calendar_operation
from api.resources.openapi.operator_paths import operator_paths
from api.resources.openapi.parameters import parameters
from api.resources.openapi.responses import (
    SECURITY,
    common_responses,
    headers,
    if_none_match,
    not_modified,
    problem_schema,
    responses,
)

EXAMPLE_DAYS_AHEAD: Final = 30
_PRICE_HEADERS: Final = {
    "X-Request-ID": "id of the request in the log; the client's own if it sent a valid one",
    "X-Amadeus-Environment": "Amadeus environment; prices of sandbox and duffel-test are invented",
    "X-Cache": "source of the price: hit, miss, bypass or stale",
    "Cache-Status": "the same in standard form (RFC 9211)",
    "Age": "seconds since the price was fetched",
    "Cache-Control": "max-age: seconds after its fetch for which the price will do",
    "ETag": "identifies this answer; send it as If-None-Match",
}


class OpenApiResource:
    """The OpenAPI document, with examples whose dates lie in the future."""

    audience = Audience.ANYBODY

    def __init__(self, oldest: int) -> None:
        """Create the resource. oldest: the largest valid max_age."""
        self._oldest = oldest

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "max-age=300")
        day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=EXAMPLE_DAYS_AHEAD)
        resp.data = _text(day, self._oldest)

    on_head = on_get


@lru_cache(maxsize=1)
def _text(day: dt.date, oldest: int) -> bytes:
    return json.dumps(document(day.isoformat(), oldest), indent=1).encode() + b"\n"


def document(day: str, oldest: int) -> dict[str, Any]:
    """Build the OpenAPI document.

    day: date of the examples (ISO 8601). oldest: the largest valid max_age.
    """
    price_parameters = [*parameters(PriceRequest, day, oldest), if_none_match()]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flight price API",
            "version": __version__,
            "summary": "The cheapest flight from A to B on a day, from Amadeus.",
            "description": (
                "Prices are cached, by default for ten minutes; `nocache=1` fetches a new one."
                " Every path also supports `HEAD`, `OPTIONS` and a trailing slash. An unknown path"
                " gets 404 with the code `not-found`. Agents use `POST /mcp`, which speaks the"
                " Model Context Protocol."
            ),
            "contact": {"name": "The flight-price-api authors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "prices", "description": "Flight prices"},
            {"name": "operation", "description": "Health and operation"},
        ],
        "paths": {
            "/flights/price": {"get": _price(day, price_parameters)},
            "/flights/offer": {"get": _offer(day, price_parameters)},
            "/flights/calendar": {"get": calendar_operation(day, oldest)},
            **operator_paths(),
        },
        "components": {
            "schemas": {
                **_schemas(FlightPrice),
                **_schemas(FlightOffer),
                **_schemas(FlightCalendar),
                **_schemas(CalendarEnd),
                "Problem": problem_schema(),
            },
            "responses": common_responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "basic": {"type": "http", "scheme": "basic", "description": "the key as password"},
            },
        },
    }


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a model and those that it refers to, by name."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _price(day: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": "cheapestPrice",
        "summary": "The cheapest price",
        "description": (
            "Answers with the smallest grand total for the whole party among the offers of"
            " Amadeus, from the cache if a price there is young enough."
        ),
        **_search(
            "The lowest total among the offers of that day",
            FlightPrice,
            _example(day),
            parameters,
        ),
    }


def _offer(day: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    segment = {
        "flight": "DL123",
        "operated_by": "DL",
        "from": "JFK",
        "departs": f"{day}T07:30:00",
        "to": "LAX",
        "arrives": f"{day}T10:42:00",
        "aircraft": "32Q",
        "cabin": "ECONOMY",
        "checked_bags": 0,
    }
    example = {
        **_example(day),
        "airline": {"code": "DL", "name": "DELTA AIR LINES"},
        "seats_left": 4,
        "book_by": day,
        "itineraries": [{"duration": "PT6H12M", "stops": 0, "segments": [segment]}],
    }
    return {
        "operationId": "cheapestOffer",
        "summary": "The offer that has the cheapest price",
        "description": (
            "Answers with airline, seats, flights and bags. Price and offer come from one search,"
            " so if one is cached, the other costs no call to Amadeus."
        ),
        **_search(
            "The first offer with the lowest total of that day", FlightOffer, example, parameters
        ),
    }


def _example(day: str) -> dict[str, Any]:
    return {"origin": "JFK", "destination": "LAX", "departure_date": day, "price": "250 USD"}


def _search(
    description: str,
    model: type[BaseModel],
    example: Mapping[str, Any],
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return what the operations have in common that answer a query with data of this model."""
    price_headers = headers(_PRICE_HEADERS)
    documented = responses(
        {
            "200": {
                "description": description,
                "headers": price_headers,
                "content": {
                    falcon.MEDIA_JSON: {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "data": {"$ref": f"#/components/schemas/{model.__name__}"}
                            },
                            "required": ["data"],
                            "additionalProperties": False,
                        },
                        "example": {"data": example},
                    }
                },
            },
            "304": not_modified(_PRICE_HEADERS),
        },
        PRICE_ERRORS,
    )
    # "No offers" is cached like a price, so it has the same headers.
    documented["404"]["headers"] = {
        name: header for name, header in price_headers.items() if name != "ETag"
    }
    return {
        "tags": ["prices"],
        "security": SECURITY[Audience.CLIENTS],
        "parameters": parameters,
        "responses": documented,
    }
