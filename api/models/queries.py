"""What a client asks for: the parameters of each URL, and the checks across them."""

import datetime as dt
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.models.fields import (
    MAX_DAYS_AHEAD,
    MAX_SEATS,
    Airport,
    Currency,
    Day,
    LowestCabin,
    MaxAge,
    OptionalSeats,
    Seats,
    Switch,
    bookable_days,
    reject,
)


class Route(BaseModel):
    """Where from and where to.

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

    @field_validator("destination")
    @classmethod
    def _differs_from_origin(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("origin"):
            reject(f"must differ from origin; both are {value}")
        return value


class Dates(BaseModel):
    """The days of a journey."""

    date: Day = Field(
        description=f"departure date, YYYY-MM-DD, at most {MAX_DAYS_AHEAD} days ahead"
    )
    return_date: Day | None = Field(
        default=None, description="return date, not before date; leave it out for a one-way trip"
    )

    @field_validator("date", "return_date")
    @classmethod
    def _is_bookable(cls, value: dt.date | None) -> dt.date | None:
        if value is None:
            return None
        earliest, latest = bookable_days()
        if value < earliest:
            reject(f"is in the past; the earliest date is {earliest}")
        if value > latest:
            reject(f"is more than {MAX_DAYS_AHEAD} days ahead; the latest date is {latest}")
        return value

    @field_validator("return_date")
    @classmethod
    def _is_not_before_date(cls, value: dt.date | None, info: ValidationInfo) -> dt.date | None:
        departure = info.data.get("date")
        if value is not None and departure is not None and value < departure:
            reject(f"must not be before date ({departure})")
        return value


class Party(BaseModel):
    """Who travels, and what they accept."""

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
    cabin: LowestCabin | None = Field(
        default=None,
        description="lowest cabin to accept: economy, premium_economy, business or first",
        examples=["BUSINESS"],
    )
    nonstop: Switch = Field(default=False, description="1: only nonstop flights", examples=["1"])

    @field_validator("children")
    @classmethod
    def _fits_max_seats(cls, value: int, info: ValidationInfo) -> int:
        if value + info.data.get("adults", 0) > MAX_SEATS:
            reject(f"must not exceed {MAX_SEATS} together with adults")
        return value

    @field_validator("infants")
    @classmethod
    def _has_enough_adults(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("adults", MAX_SEATS):
            reject("must not exceed the number of adults")
        return value


# The fields of the last base come first.
class PriceQuery(Party, Dates, Route):
    """A query for a price: everything that the answer depends on."""


class CacheOptions(BaseModel):
    """How old an answer may be. Validation needs the largest max_age as `oldest` in its context."""

    max_age: MaxAge | None = Field(
        default=None,
        description="accept a price up to so many seconds old, instead of up to CACHE_TTL;"
        " at most CACHE_TTL + CACHE_STALE_TTL",
        examples=[3600],
    )
    known: Switch = Field(
        default=False,
        description="1: answer only from what is cached, and never call Amadeus",
        examples=["1"],
    )

    @field_validator("known")
    @classmethod
    def _accepts_some_age(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("max_age") == 0:
            reject("must not be given with max_age=0, because a known price has an age")
        return value


class PriceRequest(CacheOptions, PriceQuery):
    """A query with the caching options of the request."""

    nocache: Switch = Field(
        default=False,
        description="1: fetch a new price now, and cache it for everybody",
        examples=["1"],
    )

    @field_validator("nocache")
    @classmethod
    def _is_the_only_option(cls, value: bool, info: ValidationInfo) -> bool:
        others = [name for name in CacheOptions.model_fields if is_given(info.data, name)]
        if value and others:
            reject(f"must not be given with {' or '.join(others)}")
        return value


def is_given(values: Mapping[str, object], name: str) -> bool:
    """Return whether a parameter was given, even with an invalid value. A switch must be on."""
    value = values.get(name, "invalid")
    return value is not None and value is not False
