"""Fares and taxes in euro cents for one adult.

The price depends on the great-circle distance, the days until departure, the weekday and season,
the time of day, the changes, the carrier, the cabin, and a pseudorandom part.
"""

import datetime as dt
import math
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import NamedTuple

from protocol.request.search import CABINS, Cabin, TravelerType
from sandbox.offers.itineraries import Itinerary
from sandbox.world.airlines import BAG_IN_EACH_FARE
from sandbox.world.dice import Dice

_START, _SLOPE, _EXPONENT = 2_200.0, 55.0, 0.72
# Days until departure and the price factor, with linear interpolation.
_AHEAD = ((0, 2.0), (3, 1.8), (7, 1.45), (14, 1.2), (21, 1.08), (45, 0.95), (90, 0.9), (365, 1.05))
_WEEKDAYS = (1.0, 0.93, 0.92, 0.98, 1.12, 1.0, 1.14)  # from Monday
_MONTHS = (0.9, 0.9, 0.97, 1.03, 1.0, 1.1, 1.2, 1.18, 1.0, 0.97, 0.92, 1.12)
_CHANGES = (1.12, 0.93, 0.88)
_OFF_PEAK = 0.95
_TECHNICAL_STOP = 0.97
_MAX_CACHED = 5_000
_PEAK_MINUTES = range(9 * 60, 19 * 60)


class Product(NamedTuple):
    """A branded fare. It is sold for journeys of at least `min_km` in each direction."""

    name: str
    cabin: Cabin
    factor: float
    letter: str
    bags: int
    days: int
    """An offer can be ticketed for this long after the search; for twice as long if the departure
    is far."""
    refundable: bool
    min_km: float


PRODUCTS = (
    Product("LIGHT", "ECONOMY", 1.0, "O", 0, 3, refundable=False, min_km=0),
    Product("CLASSIC", "ECONOMY", 1.22, "K", 1, 7, refundable=False, min_km=0),
    Product("FLEX", "ECONOMY", 1.65, "Y", 1, 14, refundable=True, min_km=0),
    Product("COMFORT", "PREMIUM_ECONOMY", 1.9, "W", 2, 7, refundable=False, min_km=3_000),
    Product("BUSINESS", "BUSINESS", 3.4, "J", 2, 14, refundable=True, min_km=0),
    Product("FIRST", "FIRST", 5.8, "F", 3, 21, refundable=True, min_km=3_500),
)

# The fractions of an adult's fare and of an adult's taxes that each traveller pays.
SHARES: dict[TravelerType, tuple[float, float]] = {
    "ADULT": (1.0, 1.0),
    "SENIOR": (0.95, 1.0),
    "YOUNG": (0.9, 1.0),
    "STUDENT": (0.92, 1.0),
    "CHILD": (0.75, 1.0),
    "SEATED_INFANT": (0.75, 1.0),
    "HELD_INFANT": (0.1, 0.2),
}


def bags(product: Product, carrier: str) -> int:
    """Return the number of checked bags that a fare of this airline includes."""
    return max(product.bags, int(carrier in BAG_IN_EACH_FARE))


def at_least(product: Product, cabin: Cabin) -> bool:
    """Return whether a fare is for this cabin or a better one."""
    return CABINS.index(product.cabin) >= CABINS.index(cabin)


class Tariff:
    """The part of the prices that does not depend on the day. Safe to share between threads."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self._by_name: dict[str, float] = {}
        # Many journeys share these values.
        self._by_carrier = lru_cache(4096)(partial(dice.roll, "carrier"))
        self._by_country = cache(partial(dice.roll, "tax"))

    def fare(self, itinerary: Itinerary) -> float:
        """Return the fare on an average day."""
        fare = self._by_name.get(itinerary.name)
        if fare is None:
            if len(self._by_name) >= _MAX_CACHED:
                self._by_name.clear()
            fare = self._by_name[itinerary.name] = self._calculate(itinerary)
        return fare

    def _calculate(self, itinerary: Itinerary) -> float:
        first, changes = itinerary.departures[0].flight, len(itinerary.departures) - 1
        ends = sorted((first.origin.code, itinerary.departures[-1].flight.destination.code))
        # The flown distance counts half, so that a detour over a distant hub is not cheaper.
        km = (itinerary.km + itinerary.flown_km) / 2
        return (
            (_START * (changes + 1) + _SLOPE * math.pow(km, _EXPONENT))
            * _CHANGES[changes]
            * (_TECHNICAL_STOP if any(one.flight.stop for one in itinerary.departures) else 1.0)
            * (1.0 if first.minute in _PEAK_MINUTES else _OFF_PEAK)
            * (0.88 + 0.3 * self._by_carrier(itinerary.carrier, *ends))
        )

    def taxes(self, itinerary: Itinerary) -> float:
        """Return taxes and charges. They depend on the first country, distance and changes."""
        country = itinerary.departures[0].flight.origin.country
        by_country = 800 + 3_700 * self._by_country(country)
        return by_country + 0.4 * itinerary.km + 600 * len(itinerary.departures)


class Fares:
    """The fares as offered on one day."""

    def __init__(self, tariff: Tariff, today: dt.date) -> None:
        self._tariff = tariff
        self._dice = tariff.dice
        self._today = today
        self._by_day = cache(self._day_factor)
        self.taxes = tariff.taxes

    def fare(self, itinerary: Itinerary) -> float:
        """Return the lowest fare of an itinerary."""
        chance = self._dice.roll("day", itinerary.day, itinerary.name)
        return self._tariff.fare(itinerary) * self._by_day(itinerary.day) * (0.9 + 0.25 * chance)

    def _day_factor(self, day: int) -> float:
        date = dt.date.fromordinal(day)
        return ahead(date, self._today) * _WEEKDAYS[date.weekday()] * _MONTHS[date.month - 1]

    def seats(self, itinerary: Itinerary) -> int:
        """Return the number of free seats; 9 means nine or more."""
        return min(9, 1 + self._dice.pick(14, "seats", itinerary.day, itinerary.name))


def ahead(date: dt.date, today: dt.date) -> float:
    """Return the price factor for the days until departure."""
    days = max(0, (date - today).days)
    for (low, dear), (high, cheap) in pairwise(_AHEAD):
        if days <= high:
            return dear + (cheap - dear) * (days - low) / (high - low)
    return _AHEAD[-1][1]
