"""The operation /flights/calendar in the OpenAPI document."""

from typing import Any, Final

import falcon

from api.access.audience import Audience
from api.errors import CALENDAR_ERRORS, TooManyRequests
from api.models import CalendarRequest
from api.resources.calendar import NDJSON
from api.resources.openapi.parameters import parameters
from api.resources.openapi.responses import SECURITY, headers, responses

_HEADERS: Final = {
    "X-Request-ID": "id of the request in the log; the client's own if it sent a valid one",
    "X-Amadeus-Environment": "Amadeus environment; prices of sandbox and duffel-test are invented",
    "X-Cache": "what was cached on arrival: hit (all days), partial or miss",
    "X-Upstream-Calls": "calls to Amadeus that this request caused; not in a stream's head",
    "Age": "seconds since the oldest price was fetched; not in a stream",
    "Cache-Control": "max-age until a price expires; no-store while one is missing or stale",
    "Vary": "Accept",
}


def calendar_operation(day: str, oldest: int) -> dict[str, Any]:
    """Return the operation. day: date of the examples. oldest: the largest valid max_age."""
    cheapest = {"departure_date": day, "price": "250 USD"}
    known = {**cheapest, "age": 28}
    missing = [{"departure_date": f"{day[:-2]}30", "code": TooManyRequests.code}]
    example = {
        "origin": "JFK",
        "destination": "LAX",
        "from": day,
        "to": day,
        "cheapest": cheapest,
        "days": [known],
        "missing": missing,
    }
    answer = {
        "description": (
            "At least one day is known. With `Accept: application/x-ndjson`, each line is a day,"
            " as soon as it is known, and the last line has the rest."
        ),
        "headers": headers(_HEADERS),
        "content": {
            falcon.MEDIA_JSON: {
                "schema": {
                    "type": "object",
                    "properties": {"data": _ref("FlightCalendar")},
                    "required": ["data"],
                    "additionalProperties": False,
                },
                "example": {"data": example},
            },
            NDJSON: {"schema": {"anyOf": [_ref("CalendarDay"), _ref("CalendarEnd")]}},
        },
    }
    return {
        "operationId": "cheapestDays",
        "tags": ["prices"],
        "summary": "The cheapest price of each day of a month",
        "description": (
            "Give `month`, or `from` and `to`. Each day is cached like its price, and only days"
            " that are not cached cost a call to Amadeus."
        ),
        "security": SECURITY[Audience.CLIENTS],
        "parameters": parameters(CalendarRequest, day, oldest),
        "responses": responses({"200": answer}, CALENDAR_ERRORS),
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
