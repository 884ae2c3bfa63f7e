"""A valid search, from a GET or from a POST."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal, get_args

from protocol.reference.currencies import Currency

Cabin = Literal["ECONOMY", "PREMIUM_ECONOMY", "BUSINESS", "FIRST"]
CABINS: tuple[Cabin, ...] = get_args(Cabin)

TravelerType = Literal[
    "ADULT", "CHILD", "SENIOR", "YOUNG", "HELD_INFANT", "SEATED_INFANT", "STUDENT"
]

MAX_OFFERS = 250
MAX_CHANGES = 2
MAX_SEATS = 9
MAX_DAYS_AHEAD = 365
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Traveler:
    """One traveller. `adult_id` is the adult who holds an infant."""

    id: str
    type: TravelerType
    adult_id: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The local dates and times of an arrival."""

    dates: frozenset[dt.date]
    minutes: tuple[int, int] | None
    """First and last minute of the day; None for the whole day."""
    near: int | None = None
    """The minute of the day that is preferred; it limits nothing."""

    def contains(self, at: dt.datetime) -> bool:
        """Return whether a local time is within the window."""
        first, last = self.minutes or (0, MINUTES_OF_DAY)
        return at.date() in self.dates and first <= at.hour * 60 + at.minute <= last


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a journey, on a local date of departure."""

    id: str
    origins: tuple[str, ...]
    destinations: tuple[str, ...]
    date: dt.date
    cabin: Cabin | None = None
    """The lowest cabin to accept, if one is asked for."""
    days: tuple[int, ...] = (0,)
    """The valid days of departure, relative to `date`."""
    minutes: tuple[int, int] | None = None
    """First and last minute of the day for the departure; None for the whole day."""
    near: int | None = None
    """The minute of the day that is preferred for the departure; it limits nothing."""
    arrival: Window | None = None
    via: frozenset[str] = frozenset()
    """The journey must change at one of these airports at least."""
    not_via: frozenset[str] = frozenset()
    """The journey must not change at any of these airports."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search with its options."""

    directions: tuple[Direction, ...]
    travelers: tuple[Traveler, ...]
    currency: Currency | None = None
    """The preferred currency, if one is asked for."""
    max_offers: int = MAX_OFFERS
    max_changes: int = MAX_CHANGES
    technical_stops: bool = True
    """Whether a flight may stop on its way."""
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    max_price: int | None = None
    """Per traveller, in whole units of the currency."""
    checked_bags: bool = False
    refundable: bool = False
    free_to_change: bool = False
    """Whether refund and change must be free."""
    max_time_percent: float | None = None
    """The maximum travel time in each direction, in percent of the shortest one."""
    same_airport: bool = False
    """Whether the last direction must end at the airport where the first one starts."""
    one_per_day: bool = False
    """Whether to find an offer for each day of a window of dates, if possible."""
    branded: bool = False
    """Whether offers must name their branded fares."""
    posted: bool = False
    """Whether the search is the body of a POST, not the query of a GET."""
    ignored: tuple[str, ...] = ()
    """What the parser did not read: parameters of a GET, or pointers into the body of a POST."""

    @property
    def seats(self) -> int:
        """The number of seats that the travellers need."""
        return sum(traveler.type != "HELD_INFANT" for traveler in self.travelers)
