"""What a search asks for, whichever way it came."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.world.currencies import Currency

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
    """One person; a held infant sits with the adult named."""

    id: str
    type: TravelerType
    adult_id: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """When an arrival is wanted, on the clocks of the place."""

    dates: frozenset[dt.date]
    minutes: tuple[int, int] | None
    """Between these minutes of the day, where asked for."""

    def holds(self, at: dt.datetime) -> bool:
        """Whether a local time is within it."""
        first, last = self.minutes or (0, MINUTES_OF_DAY)
        return at.date() in self.dates and first <= at.hour * 60 + at.minute <= last


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of the journey: from one of these places to one of those, on a local day."""

    id: str
    origins: tuple[str, ...]
    destinations: tuple[str, ...]
    date: dt.date
    cabin: Cabin = "ECONOMY"
    """At least this one."""
    days: tuple[int, ...] = (0,)
    """Days around `date` that will do as well, `date` itself being 0."""
    minutes: tuple[int, int] | None = None
    """Departure between these minutes of the day, where asked for."""
    arrival: Window | None = None
    via: frozenset[str] = frozenset()
    """Where it must change, one of them at least."""
    not_via: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Search:
    """A valid search."""

    directions: tuple[Direction, ...]
    travelers: tuple[Traveler, ...]
    currency: Currency
    most: int = MAX_OFFERS
    most_changes: int = MAX_CHANGES
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    most_price: int | None = None
    """Per traveller, in whole units of the currency."""
    checked_bags: bool = False
    refundable: bool = False
    longest: float | None = None
    """Time on the way in each direction, in hundredths of the shortest there is."""
    same_airport: bool = False
    """Whether the last direction has to end where the first begins."""

    @property
    def seats(self) -> int:
        """How many seats they need."""
        return sum(traveler.type != "HELD_INFANT" for traveler in self.travelers)
