"""The API's requests and responses. They do not depend on Amadeus's formats."""

import datetime as dt
import re
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Final, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from api.errors import ParameterError

MAX_DAYS_AHEAD: Final = 365
MAX_SEATS: Final = 9
# A day starts earliest at UTC+14 (Line Islands) and ends latest at UTC-12 (Baker Island).
FIRST_ZONE: Final = dt.timezone(dt.timedelta(hours=14))
LAST_ZONE: Final = dt.timezone(dt.timedelta(hours=-12))

_CODE = re.compile("[A-Za-z]{3}")
_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGIT = re.compile("[0-9]")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}
UNKNOWN: Final = "is not a parameter"
# These limits keep the response to unknown parameters below 4 kB.
MAX_UNKNOWN_NAMED: Final = 3
MAX_NAME_LENGTH: Final = 16  # characters
# Other services' names for our parameters that fuzzy matching would not find.
_ALIASES: Final = {
    "departure_date": "date",
    "departuredate": "date",
    "from": "origin",
    "to": "destination",
    "returndate": "return_date",
}


class Cabin(StrEnum):
    """The lowest cabin to accept (docs/amadeus.md, section "Flight offers search")."""

    ECONOMY = "ECONOMY"
    PREMIUM_ECONOMY = "PREMIUM_ECONOMY"
    BUSINESS = "BUSINESS"
    FIRST = "FIRST"


def _reject(detail: str) -> NoReturn:
    # pydantic prefixes the message of a ValueError, but not of a custom error.
    raise PydanticCustomError("flight_price", "{detail}", {"detail": detail})


def _airport(value: object) -> str:
    return _code(value) or _reject("must be an IATA code of three letters, like JFK or LON")


def _currency(value: object) -> str:
    return _code(value) or _reject("must be a currency code of three letters, like EUR or USD")


def _code(value: object) -> str | None:
    is_code = isinstance(value, str) and _CODE.fullmatch(value)
    return str(value).upper() if is_code else None


def _day(value: object) -> dt.date:
    if isinstance(value, dt.date):
        return value
    # fromisoformat alone would accept 20261201 and 2026-W49-2 as well.
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        with suppress(ValueError):
            return dt.date.fromisoformat(value)
    _reject("must be a valid date in the form YYYY-MM-DD")


def _count(value: object) -> object:
    return int(value) if isinstance(value, str) and _DIGIT.fullmatch(value) else value


def _switch(value: object) -> object:
    if isinstance(value, str) and value.lower() in _SWITCH:
        return _SWITCH[value.lower()]
    return value if isinstance(value, bool) else _reject("must be 1, true, 0 or false")


def _cabin(value: object) -> Cabin:
    try:
        return Cabin(str(value).upper())
    except ValueError:
        _reject(f"must be one of {', '.join(Cabin)}")


# pydantic cannot derive a schema from custom validators, so state it explicitly.
_CODE_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{3}$"})
Airport = Annotated[str, BeforeValidator(_airport), _CODE_SCHEMA]
Currency = Annotated[str, BeforeValidator(_currency), _CODE_SCHEMA]
Day = Annotated[dt.date, BeforeValidator(_day)]
Seats = Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS), BeforeValidator(_count)]
OptionalSeats = Annotated[int, Field(strict=True, ge=0, le=MAX_SEATS), BeforeValidator(_count)]
Switch = Annotated[
    bool, BeforeValidator(_switch), WithJsonSchema({"type": "string", "enum": list(_SWITCH)})
]


class PriceQuery(BaseModel):
    """A query for a price: everything that the answer depends on.

    The field names are the URL's parameters. A check across two fields belongs to the later one,
    so that one validation finds all errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Airport = Field(
        description="IATA code of the city or airport of departure", examples=["JFK"]
    )
    destination: Airport = Field(
        description="IATA code of the city or airport of arrival; must differ from origin",
        examples=["LAX"],
    )
    date: Day = Field(
        description=f"departure date, YYYY-MM-DD, at most {MAX_DAYS_AHEAD} days ahead"
    )
    return_date: Day | None = Field(
        default=None, description="return date, not before date; leave it out for a one-way trip"
    )
    adults: Seats = Field(
        default=1, description="travellers aged 12 or older; default 1", examples=[2]
    )
    children: OptionalSeats = Field(
        default=0,
        description=f"travellers aged 2 to 11; adults and children together at most {MAX_SEATS}",
        examples=[1],
    )
    infants: OptionalSeats = Field(
        default=0,
        description="travellers under 2, each on the lap of an adult; at most as many as adults",
        examples=[1],
    )
    currency: Currency | None = Field(
        default=None, description="ISO 4217 code of the preferred currency", examples=["USD"]
    )
    cabin: Annotated[Cabin, BeforeValidator(_cabin)] | None = Field(
        default=None,
        description="lowest cabin to accept: economy, premium_economy, business or first",
        examples=["BUSINESS"],
    )
    nonstop: Switch = Field(default=False, description="1: only nonstop flights", examples=["1"])

    @field_validator("destination")
    @classmethod
    def _differs_from_origin(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("origin"):
            _reject(f"must differ from origin; both are {value}")
        return value

    @field_validator("date", "return_date")
    @classmethod
    def _is_bookable(cls, value: dt.date | None) -> dt.date | None:
        if value is None:
            return None
        earliest, latest = bookable_days()
        if value < earliest:
            _reject(f"is in the past; the earliest date is {earliest}")
        if value > latest:
            _reject(f"is more than {MAX_DAYS_AHEAD} days ahead; the latest date is {latest}")
        return value

    @field_validator("return_date")
    @classmethod
    def _is_not_before_date(cls, value: dt.date | None, info: ValidationInfo) -> dt.date | None:
        departure = info.data.get("date")
        if value is not None and departure is not None and value < departure:
            _reject(f"must not be before date ({departure})")
        return value

    @field_validator("children")
    @classmethod
    def _fits_max_seats(cls, value: int, info: ValidationInfo) -> int:
        if value + info.data.get("adults", 0) > MAX_SEATS:
            _reject(f"must not exceed {MAX_SEATS} together with adults")
        return value

    @field_validator("infants")
    @classmethod
    def _has_enough_adults(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("adults", MAX_SEATS):
            _reject("must not exceed the number of adults")
        return value


class PriceRequest(PriceQuery):
    """A query with the caching options of the request."""

    nocache: Switch = Field(
        default=False,
        description="1: fetch a new price now, and cache it for everybody",
        examples=["1"],
    )


def bookable_days() -> tuple[dt.date, dt.date]:
    """Return the first and the last valid date.

    The range covers every time zone: a date is valid unless it is past everywhere on Earth, or
    more than 365 days ahead everywhere. Amadeus may apply stricter limits.
    """
    now = dt.datetime.now(dt.UTC)
    earliest = now.astimezone(LAST_ZONE).date()
    latest = now.astimezone(FIRST_ZONE).date() + dt.timedelta(days=MAX_DAYS_AHEAD)
    return earliest, latest


def parameter_errors_of(error: ValidationError) -> list[ParameterError]:
    """Return every error that pydantic found."""
    return [
        ParameterError(parameter=str(item["loc"][0]), detail=_detail(item))
        for item in error.errors(include_url=False)
    ]


def _detail(item: ErrorDetails) -> str:
    match item["type"]:
        case "missing":
            return "is required"
        case "flight_price":
            return item["msg"]
        case _:
            # Only the numbers of travellers remain.
            low = 1 if item["loc"][0] == "adults" else 0
            return f"must be a whole number from {low} to {MAX_SEATS}"


def unknown_parameter_errors(names: Sequence[str]) -> list[ParameterError]:
    """Return errors for the first few unknown parameters, each with a similar valid one.

    A URL can contain hundreds of them, and suggestions for all would take too long.
    """
    errors = [ParameterError(_shorten(name), _unknown(name)) for name in names[:MAX_UNKNOWN_NAMED]]
    known = f"valid parameters are {', '.join(PriceRequest.model_fields)}"
    plain = [item for item in errors if item.detail == UNKNOWN]
    if len(names) > len(errors):
        count = f"is one of {len(names)} unknown parameters; {known}"
        errors.append(ParameterError(_shorten(names[len(errors)]), count))
    elif plain:  # the last one lists the valid parameters
        errors.remove(plain[-1])
        errors.append(ParameterError(plain[-1].parameter, f"{UNKNOWN}; {known}"))
    return errors


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}…"


def _unknown(name: str) -> str:
    similar = _similar_parameter(name) if len(name) <= MAX_NAME_LENGTH else None
    return f"{UNKNOWN}; did you mean {similar}?" if similar else UNKNOWN


def _similar_parameter(parameter: str) -> str | None:
    name = parameter.lower()
    near = get_close_matches(name, PriceRequest.model_fields, n=1)
    return _ALIASES.get(name) or (near[0] if near else None)


class FlightPrice(BaseModel):
    """The cheapest price for a query. The response has the fields in this order."""

    model_config = ConfigDict(frozen=True)

    origin: str = Field(examples=["JFK"])
    destination: str = Field(examples=["LAX"])
    departure_date: dt.date
    price: str = Field(
        description="amount and currency, like 250 USD or 477.65 EUR",
        pattern="^[0-9]+([.][0-9]+)? [A-Z]{3}$",
        examples=["250 USD"],
    )


def format_price(amount: str, currency: str) -> str:
    """Return amount and currency, like `250 USD`; a fraction of zeros is left out.

    `amount` is a decimal number in plain notation, like 250.00.
    """
    whole, _, fraction = amount.partition(".")
    return f"{amount if fraction.strip('0') else whole} {currency}"
