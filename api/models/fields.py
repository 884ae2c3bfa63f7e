"""The types of parameters: each accepts what a URL may contain, and rejects the rest in words."""

import datetime as dt
import re
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final, NoReturn

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_DAYS_AHEAD: Final = 365
MAX_SEATS: Final = 9
# A day starts earliest at UTC+14 (Line Islands) and ends latest at UTC-12 (Baker Island).
FIRST_ZONE: Final = dt.timezone(dt.timedelta(hours=14))
LAST_ZONE: Final = dt.timezone(dt.timedelta(hours=-12))
# The type of the validation errors whose message is ours.
REJECTED: Final = "flight_price"

_CODE = re.compile("[A-Za-z]{3}")
_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_MONTH = re.compile("[0-9]{4}-[0-9]{2}")
_WHOLE_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


class Cabin(StrEnum):
    """A cabin."""

    # The names are Amadeus's (docs/amadeus.md, section "Flight offers search").

    ECONOMY = "ECONOMY"
    PREMIUM_ECONOMY = "PREMIUM_ECONOMY"
    BUSINESS = "BUSINESS"
    FIRST = "FIRST"


def reject(detail: str) -> NoReturn:
    # pydantic prefixes the message of a ValueError, but not of a custom error.
    raise PydanticCustomError(REJECTED, "{detail}", {"detail": detail})


def _airport(value: object) -> str:
    return _code(value) or reject("must be an IATA code of three letters, like JFK or LON")


def _currency(value: object) -> str:
    return _code(value) or reject("must be a currency code of three letters, like EUR or USD")


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
    reject("must be a valid date in the form YYYY-MM-DD")


def _month(value: object) -> dt.date:
    if isinstance(value, str) and _ISO_MONTH.fullmatch(value):
        with suppress(ValueError):
            return dt.date.fromisoformat(f"{value}-01")
    reject("must be a valid month in the form YYYY-MM")


def whole_number(low: int, high: int) -> BeforeValidator:
    """Return a validator of a whole number within these bounds."""
    return BeforeValidator(lambda value: _whole_number(value, low, high))


def _whole_number(value: object, low: int, high: int) -> int:
    number = int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value
    if type(number) is int and low <= number <= high:
        return number
    reject(f"must be a whole number from {low} to {high}")


def _max_age(value: object, info: ValidationInfo) -> int:
    # The upper bound depends on the settings, so each validation brings it in its context.
    return _whole_number(value, 0, (info.context or {})["oldest"])


def _switch(value: object) -> object:
    if isinstance(value, str) and value.lower() in _SWITCH:
        return _SWITCH[value.lower()]
    return value if isinstance(value, bool) else reject("must be 1, true, 0 or false")


def _cabin(value: object) -> Cabin:
    # A value that is not text could be nested too deeply to be written in a message.
    try:
        return Cabin(value.upper() if isinstance(value, str) else "")
    except ValueError:
        reject(f"must be one of {', '.join(Cabin)}")


# pydantic cannot derive a schema from custom validators, so state it explicitly.
_CODE_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{3}$"})
Airport = Annotated[str, BeforeValidator(_airport), _CODE_SCHEMA]
Currency = Annotated[str, BeforeValidator(_currency), _CODE_SCHEMA]
Day = Annotated[dt.date, BeforeValidator(_day)]
# The first day of a month.
Month = Annotated[
    dt.date,
    BeforeValidator(_month),
    WithJsonSchema({"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}),
]
Nights = Annotated[int, Field(ge=0, le=MAX_DAYS_AHEAD), whole_number(0, MAX_DAYS_AHEAD)]
Seats = Annotated[int, Field(ge=1, le=MAX_SEATS), whole_number(1, MAX_SEATS)]
OptionalSeats = Annotated[int, Field(ge=0, le=MAX_SEATS), whole_number(0, MAX_SEATS)]
MaxAge = Annotated[int, Field(ge=0), BeforeValidator(_max_age)]
LowestCabin = Annotated[Cabin, BeforeValidator(_cabin)]
Switch = Annotated[
    bool, BeforeValidator(_switch), WithJsonSchema({"type": "string", "enum": list(_SWITCH)})
]


def bookable_days() -> tuple[dt.date, dt.date]:
    """Return the first and the last valid date.

    The range covers every time zone: a date is valid unless it is past everywhere on Earth, or
    more than 365 days ahead everywhere. Amadeus may apply stricter limits.
    """
    now = dt.datetime.now(dt.UTC)
    earliest = now.astimezone(LAST_ZONE).date()
    latest = now.astimezone(FIRST_ZONE).date() + dt.timedelta(days=MAX_DAYS_AHEAD)
    return earliest, latest
