"""Itineraries on a date: flights of the timetable, combined into feasible connections."""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from protocol.reference.airports import Airport, Airports
from protocol.request.search import Direction
from sandbox.world.clocks import Clocks, SteadyClocks, ZoneClocks, steady_offset
from sandbox.world.network import Flight, Network, Routing

_MIN_CHANGE = 55 * 60  # seconds
_MAX_CHANGE = 14 * 3600
_DAY = 86_400
_REFERENCE_DAY = dt.date(1970, 1, 1).toordinal()
# At most this many pairs of airports are searched, busiest first: all pairs between two cities, but
# not those of a radius with dozens of airports.
_MAX_PAIRS = 25
# The number of the day's flights that are tried as the first flight of a connection.
_MAX_STARTS = 2


class Departure(NamedTuple):
    """A flight on a day. Both times are in seconds since the epoch, before `Itinerary.shift`."""

    flight: Flight
    leaves: int
    arrives: int


class Itinerary(NamedTuple):
    """One direction of a journey."""

    departures: tuple[Departure, ...]
    day: int
    """Local date of the first departure, as an ordinal."""
    carrier: str
    """The validating airline: the carrier of the longest flight."""
    km: float
    """Great-circle distance between its two ends."""
    flown_km: float
    """Distance along the flights."""
    name: str
    """A name that is unique on its day."""
    shift: int = 0
    """Seconds to add to the times of its departures."""

    @property
    def leaves(self) -> int:
        """The first departure, in seconds since the epoch."""
        return self.departures[0].leaves + self.shift

    @property
    def arrives(self) -> int:
        """The last arrival, in seconds since the epoch."""
        return self.departures[-1].arrives + self.shift

    @property
    def seconds(self) -> int:
        """Seconds from the first departure to the last arrival."""
        return self.departures[-1].arrives - self.departures[0].leaves

    def days_later(self, days: int) -> "Itinerary":
        """Return the same itinerary a number of days later, if no clock changes in between."""
        departures, day, carrier, km, flown_km, name, shift = self
        later = shift + days * _DAY
        return Itinerary(departures, day + days, carrier, km, flown_km, name, later)


class Itineraries:
    """Finds itineraries and caches the latest ones. Safe to share between threads."""

    def __init__(self, network: Network, airports: Airports) -> None:
        self._network = network
        self._airports = airports
        self._on_day = lru_cache(maxsize=128)(self._find)
        self._on_steady_day = lru_cache(maxsize=256)(self._find_steady)

    def find(self, direction: Direction) -> list[Itinerary]:
        """Return all itineraries for one direction of a search."""
        found = [
            itinerary
            for origin, destination in self._pairs(direction)
            for days in direction.days
            for itinerary in self._on_day(origin, destination, direction.date.toordinal() + days)
        ]
        if direction.via or direction.not_via or direction.minutes or direction.arrival:
            return [itinerary for itinerary in found if _fits(itinerary, direction)]
        return found

    def _pairs(self, direction: Direction) -> list[tuple[Airport, Airport]]:
        ends = [
            [airport for code in codes for airport in self._airports.airports_of(code)]
            for codes in (direction.origins, direction.destinations)
        ]
        pairs = list(dict.fromkeys(product(*ends)))
        pairs.sort(key=lambda pair: -pair[0].rank - pair[1].rank)
        return [(origin, destination) for origin, destination in pairs[:_MAX_PAIRS]]

    def _find(self, origin: Airport, destination: Airport, day: int) -> list[Itinerary]:
        zones = self._network.zones(origin, destination)
        offsets = tuple([steady_offset(zone, day) for zone in zones])
        if None in offsets:
            return self._chained(origin, destination, day, ZoneClocks())
        found = self._on_steady_day(origin, destination, offsets)
        return [one.days_later(day - _REFERENCE_DAY) for one in found]

    def _find_steady(
        self, origin: Airport, destination: Airport, offsets: tuple[int, ...]
    ) -> list[Itinerary]:
        """Return the itineraries of a reference day with fixed offsets, in seconds from UTC."""
        zones = self._network.zones(origin, destination)
        clocks = SteadyClocks(dict(zip(zones, offsets, strict=True)))
        return self._chained(origin, destination, _REFERENCE_DAY, clocks)

    def _chained(
        self, origin: Airport, destination: Airport, day: int, clocks: Clocks
    ) -> list[Itinerary]:
        km = origin.km_to(destination)
        found = []
        for routing in self._network.routings(origin, destination):
            for departures in self._chains(routing, day, clocks):
                longest = max(departures, key=lambda one: one.flight.block)
                flights = [one.flight for one in departures]
                found.append(
                    Itinerary(
                        departures,
                        day,
                        longest.flight.carrier,
                        km,
                        sum(flight.km for flight in flights),
                        "-".join(flight.name for flight in flights),
                    )
                )
        return found

    def _chains(
        self, routing: Routing, day: int, clocks: Clocks
    ) -> Iterator[tuple[Departure, ...]]:
        starts = self._network.flights(routing[0])
        for flight in starts if len(routing) == 1 else starts[:_MAX_STARTS]:
            chain = [_on(flight, day, clocks)]
            for hop in routing[1:]:
                following = _next(self._network.flights(hop), chain[-1].arrives, clocks)
                if following is None:
                    break
                chain.append(following)
            else:
                yield tuple(chain)


def local(moment: int, airport: Airport) -> dt.datetime:
    """Convert seconds since the epoch to the local time of an airport."""
    return dt.datetime.fromtimestamp(moment, airport.zone)


def _next(flights: tuple[Flight, ...], landed: int, clocks: Clocks) -> Departure | None:
    """Return the first flight that can be caught after landing, on the same day or the next."""
    today, minute = clocks.local(flights[0].origin.zone, landed)
    for day in (today, today + 1):
        for flight in flights:
            if day == today and flight.minute < minute:
                continue
            departure = _on(flight, day, clocks)
            wait = departure.leaves - landed
            if wait > _MAX_CHANGE:
                return None
            if wait >= _MIN_CHANGE:
                return departure
    return None


def _on(flight: Flight, day: int, clocks: Clocks) -> Departure:
    leaves = clocks.moment(flight.origin.zone, day, flight.minute)
    return Departure(flight, leaves, leaves + flight.block * 60)


def _fits(itinerary: Itinerary, direction: Direction) -> bool:
    changes = {one.flight.origin.code for one in itinerary.departures[1:]}
    if direction.via and not changes & direction.via:
        return False
    if changes & direction.not_via:
        return False
    first, last = itinerary.departures[0].flight, itinerary.departures[-1].flight
    if direction.minutes and not direction.minutes[0] <= first.minute <= direction.minutes[1]:
        return False
    return not direction.arrival or direction.arrival.contains(
        local(itinerary.arrives, last.destination)
    )
