"""Offers in the words of no provider: what a provider's answer becomes, and Amadeus's is made of.

None stands for what the provider does not say.
"""

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from protocol.reference.currencies import CURRENCIES
from protocol.request.search import Cabin

_USUAL_DIGITS = 2
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_DURATION = re.compile(r"P(?:(\d{1,2})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:\d{1,2}S)?)?")


class Place(NamedTuple):
    """An airport at one end of a segment."""

    code: str
    city: str | None
    country: str | None
    terminal: str | None = None


class Stop(NamedTuple):
    """A stop on the way, without a change of plane. Times are local."""

    place: Place
    arrives: dt.datetime
    departs: dt.datetime


class Fare(NamedTuple):
    """What one traveller gets on a segment."""

    cabin: Cabin | None = None
    checked_bags: int | None = None
    basis: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A flight between two airports. Times are local."""

    origin: Place
    destination: Place
    departs: dt.datetime
    arrives: dt.datetime
    carrier: str
    number: str | None = None
    operator: str | None = None
    aircraft: str | None = None
    minutes: int | None = None
    stops: tuple[Stop, ...] | None = None
    fares: tuple[Fare, ...] = ()
    """In the order of the travellers."""


@dataclass(frozen=True, slots=True)
class Itinerary:
    """The segments of one direction."""

    segments: tuple[Segment, ...]
    minutes: int | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer for all travellers."""

    total: Decimal
    currency: str
    itineraries: tuple[Itinerary, ...]
    base: Decimal | None = None
    airline: str | None = None
    """The airline that issues the ticket."""
    book_by: dt.date | None = None
    instant_ticketing: bool | None = None
    refundable: bool = False
    free_to_change: bool = False
    """Whether refund and change are free."""
    carriers: dict[str, str] = field(default_factory=dict)
    """The names of airlines by code."""
    aircraft: dict[str, str] = field(default_factory=dict)
    """The names of types of aircraft by code."""


def amount(value: object, currency: str) -> Decimal | None:
    """Read an amount, rounded half up to the usual digits of its currency; None if it is none."""
    text = format(value, "f") if isinstance(value, Decimal) and value.is_finite() else str(value)
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        return None
    known = CURRENCIES.get(currency)
    digits = known.digits if known else _USUAL_DIGITS
    return Decimal(text).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def minutes(text: object) -> int | None:
    """Read a duration in ISO 8601, like `PT02H10M` or `P1DT2H`; None if it is none."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, rest = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + rest or None


def local_time(text: object) -> dt.datetime | None:
    """Read a local time like `2026-12-10T07:30:00`; None if it is none."""
    try:
        return dt.datetime.fromisoformat(str(text)).replace(tzinfo=None, microsecond=0)
    except ValueError:
        return None
