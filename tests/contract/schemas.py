"""Our own JSON Schemas for the answers of the sandbox and of the bridge.

They are stricter than Amadeus's OpenAPI files: each object has exactly the named properties, and
text has a pattern. Each schema has examples, which show every property at least once.
"""

from functools import cache
from typing import Any, Literal, get_args

import jsonschema_rs

Operation = Literal[
    "search",
    "posted search",
    "bridged search",
    "bridged posted search",
    "token",
    "token description",
]
Json = Any

OPERATIONS: tuple[Operation, ...] = get_args(Operation)


def _object(properties: dict[str, Json], *, optional: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _list(items: Json, most: int) -> Json:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _text(pattern: str) -> Json:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _table(key: str, value: Json) -> Json:
    return {
        "type": "object",
        "patternProperties": {f"^{key}$": value},
        "minProperties": 1,
        "additionalProperties": False,
    }


_WORDS = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_AMOUNT = _text(r"[0-9]+(\.[0-9]{1,3})?")
_CURRENCY = _text("[A-Z]{3}")
_PLACE = _text("[A-Z]{3}")
_AIRLINE = _text("[0-9A-Z]{2}")
_NUMBER = _text("[1-9][0-9]{0,3}")
_DURATION = _text("PT([1-9][0-9]*H([1-9][0-9]?M)?|[1-9][0-9]?M)")
_DATE = {"type": "string", "format": "date"}
_LOCAL_TIME = _text("[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:00")

_END = _object(
    {"iataCode": _PLACE, "terminal": _text("[1-9]"), "at": _LOCAL_TIME}, optional=("terminal",)
)
_STOP = _object(
    {
        "iataCode": _PLACE,
        "duration": _DURATION,
        "arrivalAt": _LOCAL_TIME,
        "departureAt": _LOCAL_TIME,
    }
)
_SEGMENT = _object(
    {
        "departure": _END,
        "arrival": _END,
        "carrierCode": _AIRLINE,
        "number": _NUMBER,
        "aircraft": _object({"code": _text("[0-9A-Z]{3}")}),
        "operating": _object({"carrierCode": _AIRLINE}),
        "duration": _DURATION,
        "id": _NUMBER,
        "numberOfStops": {"enum": [0, 1]},
        "stops": _list(_STOP, 1),
        "blacklistedInEU": {"const": False},
    },
    optional=("stops",),
) | {
    "if": {"properties": {"numberOfStops": {"const": 0}}},
    "then": {"not": {"required": ["stops"]}},
    "else": {"required": ["stops"]},
}
_SUM = {"currency": _CURRENCY, "total": _AMOUNT, "base": _AMOUNT}
_FEE = _object({"amount": _AMOUNT, "type": {"enum": ["SUPPLIER", "TICKETING"]}})
_WEIGHT = _object({"weight": {"type": "integer", "minimum": 1}, "weightUnit": {"const": "KG"}})
_FARE_DETAILS = _object(
    {
        "segmentId": _NUMBER,
        "cabin": {"enum": ["ECONOMY", "PREMIUM_ECONOMY", "BUSINESS", "FIRST"]},
        "fareBasis": _text("[0-9A-Z]{1,18}"),
        "brandedFare": _WORDS,
        "class": _text("[A-Z]"),
        "includedCheckedBags": {"oneOf": [_object({"quantity": _COUNT}), _WEIGHT]},
    }
)
_TRAVELER = _object(
    {
        "travelerId": _WORDS,
        "fareOption": {"const": "STANDARD"},
        "travelerType": {
            "enum": [
                "ADULT", "CHILD", "SENIOR", "YOUNG", "HELD_INFANT", "SEATED_INFANT", "STUDENT",
            ]
        },
        "associatedAdultId": _WORDS,
        "price": _object(_SUM),
        "fareDetailsBySegment": _list(_FARE_DETAILS, 18),
    },
    optional=("associatedAdultId",),
)  # fmt: skip
_OFFER = _object(
    {
        "type": {"const": "flight-offer"},
        "id": _NUMBER,
        "source": {"const": "GDS"},
        "instantTicketingRequired": {"const": False},
        "nonHomogeneous": {"const": False},
        "oneWay": {"const": False},
        "lastTicketingDate": _DATE,
        "numberOfBookableSeats": {"type": "integer", "minimum": 1, "maximum": 9},
        "itineraries": _list(_object({"duration": _DURATION, "segments": _list(_SEGMENT, 3)}), 6),
        "price": _object({**_SUM, "fees": _list(_FEE, 2), "grandTotal": _AMOUNT}),
        "pricingOptions": _object(
            {"fareType": {"const": ["PUBLISHED"]}, "includedCheckedBagsOnly": {"type": "boolean"}}
        ),
        "validatingAirlineCodes": _list(_AIRLINE, 1),
        "travelerPricings": _list(_TRAVELER, 18),
    }
)
# An offer of the bridge leaves out what its provider does not say.
_TO_THE_SECOND = _text("[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]")
_BRIDGED_STOP = _object(
    {**_STOP["properties"], "arrivalAt": _TO_THE_SECOND, "departureAt": _TO_THE_SECOND}
)
_BRIDGED_END = _object(
    {"iataCode": _PLACE, "terminal": _WORDS, "at": _TO_THE_SECOND}, optional=("terminal",)
)
_BRIDGED_SEGMENT = _object(
    {
        "departure": _BRIDGED_END,
        "arrival": _BRIDGED_END,
        "carrierCode": _AIRLINE,
        "number": _text("[1-9][0-9]{0,3}[A-Z]?"),
        "aircraft": _object({"code": _text("[0-9A-Z]{3}")}),
        "operating": _object({"carrierCode": _AIRLINE}),
        "duration": _DURATION,
        "id": _NUMBER,
        "numberOfStops": _COUNT,
        "stops": _list(_BRIDGED_STOP, 5),
    },
    optional=("number", "aircraft", "operating", "duration", "numberOfStops", "stops"),
)
_BRIDGED_SUM = _object(_SUM, optional=("base",))
_BRIDGED_FARE_DETAILS = _object(
    {
        "segmentId": _NUMBER,
        "cabin": {"enum": ["ECONOMY", "PREMIUM_ECONOMY", "BUSINESS", "FIRST"]},
        "fareBasis": _text("[0-9A-Z]{1,18}"),
        "brandedFare": _WORDS,
        "includedCheckedBags": _object({"quantity": _COUNT}),
    },
    optional=("cabin", "fareBasis", "brandedFare", "includedCheckedBags"),
)
_BRIDGED_TRAVELER = _object(
    {
        **_TRAVELER["properties"],
        "price": _BRIDGED_SUM,
        "fareDetailsBySegment": _list(_BRIDGED_FARE_DETAILS, 18),
    },
    optional=("associatedAdultId", "price"),
)
_BRIDGED_ITINERARY = _object(
    {"duration": _DURATION, "segments": _list(_BRIDGED_SEGMENT, 9)}, optional=("duration",)
)
_BRIDGED_OFFER = _object(
    {
        "type": {"const": "flight-offer"},
        "id": _NUMBER,
        "source": {"const": "GDS"},
        "instantTicketingRequired": {"type": "boolean"},
        "lastTicketingDate": _DATE,
        "itineraries": _list(_BRIDGED_ITINERARY, 6),
        "price": _object({**_SUM, "grandTotal": _AMOUNT}, optional=("base",)),
        "pricingOptions": _OFFER["properties"]["pricingOptions"],
        "validatingAirlineCodes": _list(_AIRLINE, 1),
        "travelerPricings": _list(_BRIDGED_TRAVELER, 18),
    },
    optional=("instantTicketingRequired", "lastTicketingDate", "validatingAirlineCodes"),
)
_DICTIONARIES = _object(
    {
        "locations": _table(
            "[A-Z]{3}", _object({"cityCode": _PLACE, "countryCode": _text("[A-Z]{2}")})
        ),
        "aircraft": _table("[0-9A-Z]{3}", _WORDS),
        "currencies": _table("[A-Z]{3}", _WORDS),
        "carriers": _table("[0-9A-Z]{2}", _WORDS),
    }
)
_BRIDGED_DICTIONARIES = _object(
    {
        **_DICTIONARIES["properties"],
        "locations": _table(
            "[A-Z]{3}",
            _object(
                {"cityCode": _PLACE, "countryCode": _text("[A-Z]{2}")},
                optional=("cityCode", "countryCode"),
            ),
        ),
    },
    optional=("aircraft", "carriers"),
)
_OFFER_EXAMPLE: dict[str, Any] = {
    "type": "flight-offer",
    "id": "1",
    "source": "GDS",
    "instantTicketingRequired": False,
    "nonHomogeneous": False,
    "oneWay": False,
    "lastTicketingDate": "2026-11-24",
    "numberOfBookableSeats": 4,
    "itineraries": [
        {
            "duration": "PT6H12M",
            "segments": [
                {
                    "departure": {"iataCode": "JFK", "terminal": "4", "at": "2026-12-10T07:30:00"},
                    "arrival": {"iataCode": "LAX", "terminal": "2", "at": "2026-12-10T10:42:00"},
                    "carrierCode": "6X",
                    "number": "123",
                    "aircraft": {"code": "32Q"},
                    "operating": {"carrierCode": "7X"},
                    "duration": "PT6H12M",
                    "id": "1",
                    "numberOfStops": 1,
                    "stops": [
                        {
                            "iataCode": "DEN",
                            "duration": "PT50M",
                            "arrivalAt": "2026-12-10T09:20:00",
                            "departureAt": "2026-12-10T10:10:00",
                        }
                    ],
                    "blacklistedInEU": False,
                }
            ],
        }
    ],
    "price": {
        "currency": "EUR",
        "total": "331.20",
        "base": "280.00",
        "fees": [{"amount": "0.00", "type": "SUPPLIER"}, {"amount": "9.00", "type": "TICKETING"}],
        "grandTotal": "340.20",
    },
    "pricingOptions": {"fareType": ["PUBLISHED"], "includedCheckedBagsOnly": False},
    "validatingAirlineCodes": ["6X"],
    "travelerPricings": [
        {
            "travelerId": "2",
            "fareOption": "STANDARD",
            "travelerType": "HELD_INFANT",
            "associatedAdultId": "1",
            "price": {"currency": "EUR", "total": "31.20", "base": "28.00"},
            "fareDetailsBySegment": [
                {
                    "segmentId": "1",
                    "cabin": "PREMIUM_ECONOMY",
                    "fareBasis": "YOW6X",
                    "brandedFare": "LIGHT",
                    "class": "Y",
                    "includedCheckedBags": {"quantity": 0},
                },
                {
                    "segmentId": "2",
                    "cabin": "PREMIUM_ECONOMY",
                    "fareBasis": "YOW6X",
                    "brandedFare": "LIGHT",
                    "class": "Y",
                    "includedCheckedBags": {"weight": 25, "weightUnit": "KG"},
                },
            ],
        }
    ],
}
_BRIDGED_OFFER_EXAMPLE = {
    "type": "flight-offer",
    "id": "1",
    "source": "GDS",
    "instantTicketingRequired": False,
    "lastTicketingDate": "2026-11-24",
    "itineraries": [
        {
            "duration": "PT6H12M",
            "segments": [
                {
                    "departure": {"iataCode": "JFK", "terminal": "4", "at": "2026-12-10T07:30:00"},
                    "arrival": {"iataCode": "LAX", "terminal": "B", "at": "2026-12-10T10:42:00"},
                    "carrierCode": "ZZ",
                    "number": "123",
                    "aircraft": {"code": "32Q"},
                    "operating": {"carrierCode": "BA"},
                    "duration": "PT6H12M",
                    "id": "1",
                    "numberOfStops": 1,
                    "stops": _OFFER_EXAMPLE["itineraries"][0]["segments"][0]["stops"],
                }
            ],
        }
    ],
    "price": {"currency": "GBP", "total": "306.85", "base": "280.00", "grandTotal": "306.85"},
    "pricingOptions": {"fareType": ["PUBLISHED"], "includedCheckedBagsOnly": True},
    "validatingAirlineCodes": ["ZZ"],
    "travelerPricings": [
        {
            "travelerId": "2",
            "fareOption": "STANDARD",
            "travelerType": "HELD_INFANT",
            "associatedAdultId": "1",
            "price": {"currency": "GBP", "total": "306.85", "base": "280.00"},
            "fareDetailsBySegment": [
                {
                    "segmentId": "1",
                    "cabin": "ECONOMY",
                    "fareBasis": "Y20LGTN2",
                    "brandedFare": "Basic",
                    "includedCheckedBags": {"quantity": 1},
                }
            ],
        }
    ],
}
_DICTIONARIES_EXAMPLE = {
    "locations": {"JFK": {"cityCode": "NYC", "countryCode": "US"}},
    "aircraft": {"32Q": "AIRBUS A321NEO"},
    "currencies": {"EUR": "EURO"},
    "carriers": {"6X": "AMADEUS SIX"},
}


def _offers(
    meta: dict[str, Json],
    meta_example: dict[str, Json],
    offer: Json = _OFFER,
    offer_example: Json = _OFFER_EXAMPLE,
    dictionaries: Json = _DICTIONARIES,
) -> Json:
    """Offers with dictionaries that explain their codes, or an empty list without any."""
    found = {
        "meta": _object({"count": {"type": "integer", "minimum": 1}, **meta}),
        "data": _list(offer, 250),
        "dictionaries": dictionaries,
    }
    nothing = {
        "meta": _object({"count": {"const": 0}, **meta}),
        "data": {"type": "array", "maxItems": 0},
    }
    return {
        "if": {"required": ["dictionaries"]},
        "then": _object(found),
        "else": _object(nothing),
        "examples": [
            {
                "meta": {"count": 1, **meta_example},
                "data": [offer_example],
                "dictionaries": _DICTIONARIES_EXAMPLE,
            },
            {"meta": {"count": 0, **meta_example}, "data": []},
        ],
    }


def _errors(status: int) -> Json:
    """A list of errors, each with the status of the answer and at most one parameter to blame."""
    culprits = [_object({"parameter": _WORDS}), _object({"pointer": _text("(/.+)?")})]
    item = _object(
        {
            "status": {"const": status},
            "code": {"type": "integer", "minimum": 1},
            "title": _WORDS,
            "detail": _WORDS,
            "source": {"oneOf": culprits},
        },
        optional=("detail", "source"),
    )
    example = {"status": status, "code": 477, "title": "INVALID FORMAT", "detail": "not a date"}
    sources = [{"parameter": "departureDate"}, {"pointer": "/travelers/0/id"}]
    return {
        **_object({"errors": {"type": "array", "items": item, "minItems": 1}}),
        "examples": [{"errors": [{**example, "source": source} for source in sources]}],
    }


_TOKEN = _object(
    {
        "type": {"const": "amadeusOAuth2Token"},
        "username": _text("[^@ ]+@[^@ ]+"),
        "application_name": _WORDS,
        "client_id": _WORDS,
        "token_type": {"const": "Bearer"},
        "access_token": _text("[0-9A-Za-z_-]+"),
        "expires_in": _COUNT,
        "state": {"enum": ["approved", "expired"]},
        "scope": {"const": ""},
    }
) | {
    "examples": [
        {
            "type": "amadeusOAuth2Token",
            "username": "sandbox@example.com",
            "application_name": "sandbox",
            "client_id": "me",
            "token_type": "Bearer",
            "access_token": "c29tZSBieXRlcw",
            "expires_in": 1799,
            "state": "approved",
            "scope": "",
        }
    ]
}
_TOKEN_ERROR = _object(
    {
        "error": _text("[a-z_]+"),
        "error_description": _WORDS,
        "code": {"type": "integer", "minimum": 1},
        "title": _WORDS,
    }
) | {
    "examples": [
        {
            "error": "invalid_client",
            "error_description": "Client credentials are invalid",
            "code": 38187,
            "title": "Invalid parameters",
        }
    ]
}
_SEARCH = _offers(
    {"links": _object({"self": _text("https?://.+")})},
    {"links": {"self": "http://sandbox/v2/shopping/flight-offers?max=1"}},
)
_POSTED_SEARCH = _offers({}, {})
_BRIDGED_SEARCH = _offers(
    {"links": _object({"self": _text("https?://.+")})},
    {"links": {"self": "http://bridge/v2/shopping/flight-offers?max=1"}},
    _BRIDGED_OFFER,
    _BRIDGED_OFFER_EXAMPLE,
    _BRIDGED_DICTIONARIES,
)
_BRIDGED_POSTED_SEARCH = _offers(
    {}, {}, _BRIDGED_OFFER, _BRIDGED_OFFER_EXAMPLE, _BRIDGED_DICTIONARIES
)
# The statuses for which the token endpoint has its flat error; the gateway in front of it has the
# list for all others.
_FLAT = {"token": {400, 401, 500}, "token description": {404}}


def schema(operation: Operation, status: int) -> Json:
    """The schema for answers of this operation with this status."""
    if status == 200:
        offers = {
            "search": _SEARCH,
            "posted search": _POSTED_SEARCH,
            "bridged search": _BRIDGED_SEARCH,
            "bridged posted search": _BRIDGED_POSTED_SEARCH,
        }
        return offers.get(operation, _TOKEN)
    return _TOKEN_ERROR if status in _FLAT.get(operation, ()) else _errors(status)


def violations(operation: Operation, status: int, content: Json) -> list[str]:
    """Every violation of the schema."""
    return [
        f"{_path(error.instance_path)}: {error.message}"
        for error in _validator(operation, status).iter_errors(content)
    ]


def _path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


@cache
def _validator(operation: Operation, status: int) -> jsonschema_rs.Draft202012Validator:
    expected = schema(operation, status)
    return jsonschema_rs.Draft202012Validator(expected, validate_formats=True)
