"""Offers in a form between those of the providers and of Amadeus.

None stands for what the provider does not say.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from protocol.request.search import Cabin


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
