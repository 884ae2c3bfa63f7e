"""Journeys on a day: flights of the timetable chained into connections that can be caught."""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.network import Flight, Network, Way
from sandbox.places import Airport, Places
from sandbox.search import Bound

_LEAST_CHANGE = 55 * 60  # seconds
_LONGEST_CHANGE = 14 * 3600
# City codes stand for several airports: so many pairs of them are looked at, the busiest first.
_MOST_PAIRS = 6
# Of the day's flights, so many are tried as the first of a journey with changes.
_MOST_STARTS = 3


class Departure(NamedTuple):
    """A flight on a day; both times are seconds since the epoch."""

    flight: Flight
    leaves: int
    arrives: int


class Itinerary(NamedTuple):
    """One direction of a journey."""

    departures: tuple[Departure, ...]
    carrier: str
    """Who validates the ticket: the carrier of the longest flight."""
    km: float
    """Between its two ends, as the crow flies."""

    @property
    def seconds(self) -> int:
        """From the first departure to the last arrival."""
        return self.departures[-1].arrives - self.departures[0].leaves


class Itineraries:
    """Finds journeys. Safe to share; it remembers the latest answers."""

    def __init__(self, network: Network, places: Places) -> None:
        self._network = network
        self._places = places
        self._on_day = lru_cache(maxsize=32)(self._find)

    def find(self, bound: Bound) -> list[Itinerary]:
        """All journeys that fit this bound."""
        return [
            itinerary
            for origin, destination in self._pairs(bound)
            for days in bound.days
            for itinerary in self._on_day(origin, destination, bound.date + dt.timedelta(days=days))
            if _fits(itinerary, bound)
        ]

    def _pairs(self, bound: Bound) -> list[tuple[Airport, Airport]]:
        ends = [
            [airport for code in codes for airport in self._places.airports_of(code)]
            for codes in (bound.origins, bound.destinations)
        ]
        pairs = list(dict.fromkeys(product(*ends)))
        pairs.sort(key=lambda pair: -pair[0].rank - pair[1].rank)
        return [(origin, destination) for origin, destination in pairs[:_MOST_PAIRS]]

    def _find(self, origin: Airport, destination: Airport, date: dt.date) -> list[Itinerary]:
        km = origin.km_to(destination)
        found = []
        for way in self._network.ways(origin, destination):
            for departures in self._chains(way, date):
                longest = max(departures, key=lambda one: one.arrives - one.leaves)
                found.append(Itinerary(departures, longest.flight.carrier, km))
        return found

    def _chains(self, way: Way, date: dt.date) -> Iterator[tuple[Departure, ...]]:
        starts = self._network.flights(way[0])
        if len(way) > 1:
            starts = starts[:_MOST_STARTS]
        for flight in starts:
            chain = [_on(flight, date)]
            for hop in way[1:]:
                following = self._next(self._network.flights(hop), chain[-1].arrives)
                if following is None:
                    break
                chain.append(following)
            else:
                yield tuple(chain)

    @staticmethod
    def _next(flights: tuple[Flight, ...], landed: int) -> Departure | None:
        """The first of these that can be caught after landing, today or tomorrow."""
        here = flights[0].origin.zone
        date = dt.datetime.fromtimestamp(landed, here).date()
        for day in (date, date + dt.timedelta(days=1)):
            for flight in flights:
                departure = _on(flight, day)
                wait = departure.leaves - landed
                if wait > _LONGEST_CHANGE:
                    return None
                if wait >= _LEAST_CHANGE:
                    return departure
        return None


def _on(flight: Flight, date: dt.date) -> Departure:
    leaves = _moment(flight.origin.zone, date, flight.minute)
    return Departure(flight, leaves, leaves + flight.block * 60)


@lru_cache(maxsize=4096)
def _moment(zone: ZoneInfo, date: dt.date, minute: int) -> int:
    """A local minute of a day, in seconds since the epoch. One that clocks skip comes later."""
    local = dt.datetime(date.year, date.month, date.day, minute // 60, minute % 60, tzinfo=zone)
    return int(local.timestamp())


def local(moment: int, airport: Airport) -> dt.datetime:
    """A moment on the clocks of an airport."""
    return dt.datetime.fromtimestamp(moment, airport.zone)


def _fits(itinerary: Itinerary, bound: Bound) -> bool:
    changes = {one.flight.origin.code for one in itinerary.departures[1:]}
    if bound.via and not changes & bound.via:
        return False
    if changes & bound.not_via:
        return False
    if bound.minutes is None:
        return True
    return bound.minutes[0] <= itinerary.departures[0].flight.minute <= bound.minutes[1]
