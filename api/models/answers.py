"""The bodies of answers."""

import datetime as dt
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from api.models.fields import Cabin, Day, Seats, reject

Price = Annotated[
    str,
    Field(
        description="amount and currency, like 250 USD or 477.65 EUR",
        pattern="^[0-9]+([.][0-9]+)? [A-Z]{3}$",
        examples=["250 USD"],
    ),
]


class FlightPrice(BaseModel):
    """The cheapest price for a query. The response has the fields in this order."""

    model_config = ConfigDict(frozen=True)

    origin: str = Field(examples=["JFK"])
    destination: str = Field(examples=["LAX"])
    departure_date: dt.date
    price: Price


def _null_if_malformed(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:
        return None


def _printable(value: str) -> str:
    return value if value.isprintable() else reject("must be printable")


def _moment(value: str) -> str:
    dt.datetime.fromisoformat(value)
    return value


T = TypeVar("T")
# What Amadeus does not say, or says in an unexpected form, must not cost the rest of the offer.
OrNull = Annotated[T | None, WrapValidator(_null_if_malformed)]
AirlineCode = Annotated[str, Field(pattern="^[0-9A-Z]{2,3}$")]
AirportCode = Annotated[str, Field(pattern="^[A-Z]{3}$")]
LocalTime = Annotated[
    str,
    Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"),
    AfterValidator(_moment),
]
Count = Annotated[int, Field(strict=True, ge=0, le=99)]


class Airline(BaseModel):
    """An airline."""

    model_config = ConfigDict(frozen=True)

    code: AirlineCode = Field(examples=["DL"])
    name: OrNull[Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]] = (
        Field(examples=["DELTA AIR LINES"])
    )


class Segment(BaseModel):
    """A flight from one airport to another. Times are local to the airport."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    flight: OrNull[Annotated[str, Field(pattern="^[0-9A-Z]{2,3}[0-9]{1,4}[A-Z]?$")]] = Field(
        description="flight number of the airline that sells it", examples=["DL123"]
    )
    operated_by: OrNull[AirlineCode] = Field(
        description="code of the airline that operates it", examples=["DL"]
    )
    from_: OrNull[AirportCode] = Field(alias="from", examples=["JFK"])
    departs: OrNull[LocalTime] = Field(examples=["2026-12-28T07:30:00"])
    to: OrNull[AirportCode] = Field(examples=["LAX"])
    arrives: OrNull[LocalTime] = Field(examples=["2026-12-28T10:42:00"])
    aircraft: OrNull[Annotated[str, Field(pattern="^[0-9A-Za-z]{3}$")]] = Field(
        description="IATA code of the type of aircraft", examples=["32Q"]
    )
    cabin: OrNull[Cabin] = Field(description="cabin of the first traveller", examples=["ECONOMY"])
    checked_bags: OrNull[Count] = Field(
        description="bags that the first traveller may check in; null if limited by weight",
        examples=[1],
    )


class Itinerary(BaseModel):
    """One way of a journey."""

    model_config = ConfigDict(frozen=True)

    duration: OrNull[
        Annotated[
            str,
            Field(pattern="^P([0-9]{1,3}D|([0-9]{1,3}D)?T([0-9]{1,4}[HMS]){1,3})$"),
        ]
    ] = Field(description="from departure to arrival (ISO 8601)", examples=["PT6H12M"])
    stops: OrNull[Count] = Field(description="changes of plane and technical stops", examples=[0])
    segments: tuple[Segment, ...]


class FlightOffer(FlightPrice):
    """The cheapest price for a query, and its offer. What Amadeus does not say is null."""

    airline: OrNull[Airline] = Field(description="the first validating airline")
    seats_left: OrNull[Seats] = Field(
        description="seats that can be booked at this price; 9 may mean more", examples=[4]
    )
    book_by: OrNull[Day] = Field(
        description="last day of ticketing, if booked on the day of the search"
    )
    itineraries: tuple[Itinerary, ...] = Field(description="one, or two for a round trip")


class CalendarDay(BaseModel):
    """The cheapest price of a day."""

    departure_date: dt.date
    price: Price | None = Field(description="null if nothing flies")
    age: int = Field(ge=0, description="seconds since the price was fetched", examples=[28])


class CheapestDay(BaseModel):
    """The day with the lowest price, in the currency that most days have."""

    departure_date: dt.date
    price: Price


class MissingDay(BaseModel):
    """A day without an answer, and the code of the reason."""

    departure_date: dt.date
    code: str = Field(examples=["amadeus-timeout"])


class FlightCalendar(BaseModel):
    """The cheapest price of each day."""

    model_config = ConfigDict(validate_by_name=True)

    origin: str = Field(examples=["JFK"])
    destination: str = Field(examples=["LAX"])
    from_: dt.date = Field(alias="from", description="the first day")
    to: dt.date = Field(description="the last day")
    cheapest: CheapestDay | None = Field(description="null if nothing flies")
    days: tuple[CalendarDay, ...]
    missing: tuple[MissingDay, ...]


class CalendarEnd(BaseModel):
    """The last line of a stream."""

    cheapest: CheapestDay | None = Field(description="null if nothing flies")
    missing: tuple[MissingDay, ...]
    upstream_calls: int = Field(ge=0, description="calls to Amadeus that this request caused")


def format_price(amount: str, currency: str) -> str:
    """Return amount and currency, like `250 USD`; a fraction of zeros is left out.

    `amount` is a decimal number in plain notation, like 250.00.
    """
    whole, _, fraction = amount.partition(".")
    return f"{amount if fraction.strip('0') else whole} {currency}"
