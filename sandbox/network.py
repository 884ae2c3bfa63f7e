"""Which carrier flies between which airports, and how often: hubs and spokes.

Whether a carrier serves a place from its hub is chance, weighted by how far and how busy the
place is, and the same for ever under one seed. So small airports far apart have no flights.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.airlines import AIRLINES, ANYWHERE, FLEETS, REGIONAL, Airline
from sandbox.dice import Dice
from sandbox.places import Airport, Places

_NEAREST_KM = 120
_FARTHEST_KM = 15_500
# The chance that a carrier serves a place from its hub: by the place's rank, up to so many km.
_ABROAD: dict[int, tuple[tuple[float, float], ...]] = {
    3: ((9_000, 0.95), (_FARTHEST_KM, 0.7)),
    2: ((2_500, 0.9), (6_000, 0.6), (10_500, 0.45), (_FARTHEST_KM, 0.15)),
    1: ((2_500, 0.6), (6_000, 0.25)),
    0: ((900, 0.35),),
}
_AT_HOME: dict[int, tuple[tuple[float, float], ...]] = {
    3: ((_FARTHEST_KM, 1.0),),
    2: ((_FARTHEST_KM, 0.95),),
    1: ((_FARTHEST_KM, 0.9),),
    0: ((1_500, 0.8), (3_500, 0.35)),
}
_REGIONAL_KM = 700
# ANYWHERE flies between two airports of these ranks, up to so many km.
_BUSY = 2
_ANYWHERE_KM = {4: 9_000, 5: 12_000, 6: _FARTHEST_KM}
# How much farther than the great circle a change of plane may take one: a factor, or some km.
_DETOUR, _DETOUR_KM = 1.6, 800
_LONG_DETOUR, _LONG_DETOUR_KM = 2.2, 2_000
# With so few ways of at most one change, those with two are looked for.
_FEW_WAYS = 3
_MOST_LONG_WAYS = 8
# No seller shows every possible change: these many, the least roundabout.
_MOST_WAYS = 16
_SPEED_KM_PER_MINUTE = 13.5
_TAXI_MINUTES = 35
_FIRST_DEPARTURE, _LAST_DEPARTURE = 6 * 60, 22 * 60 + 30
_GRID_MINUTES = 5


class Flight(NamedTuple):
    """A flight that leaves each day at the same local time."""

    carrier: str
    operator: str
    number: str
    origin: Airport
    destination: Airport
    minute: int
    """Of departure, local, since midnight."""
    block: int
    """Minutes from gate to gate."""
    aircraft: str
    km: float
    name: str
    """Tells it from all other flights of the day."""


class Hop(NamedTuple):
    """One carrier from one airport to the next."""

    carrier: str
    origin: Airport
    destination: Airport


Way = tuple[Hop, ...]


class Network:
    """The timetable of an invented world. Safe to share; it remembers the latest answers."""

    def __init__(self, dice: Dice, places: Places) -> None:
        self._dice = dice
        self._places = places
        self.ways = lru_cache(maxsize=512)(self._ways)
        self.zones = lru_cache(maxsize=512)(self._zones)
        self.flights = lru_cache(maxsize=4096)(self._flights)

    def _ways(self, origin: Airport, destination: Airport) -> tuple[Way, ...]:
        """All ways to go, without dates: direct, with one change, and if need be with two."""
        if origin.city == destination.city:
            return ()
        direct: list[Way] = []
        changing: list[tuple[float, Way]] = []
        km = origin.km_to(destination)
        farthest = max(km * _DETOUR, km + _DETOUR_KM)
        for airline in AIRLINES.values():
            hop = Hop(airline.code, origin, destination)
            if self._operator(hop):
                direct.append((hop,))
            for code in airline.hubs:
                hub = self._places.airport(code)
                if hub in {origin, destination}:
                    continue
                length = origin.km_to(hub) + hub.km_to(destination)
                if length > farthest:
                    continue
                way = (Hop(airline.code, origin, hub), Hop(airline.code, hub, destination))
                if all(map(self._operator, way)):
                    changing.append((length, way))
        short = (*direct, *_shortest(changing, _MOST_WAYS))
        return short if len(short) > _FEW_WAYS else short + self._long_ways(origin, destination)

    def _zones(self, origin: Airport, destination: Airport) -> tuple[ZoneInfo, ...]:
        """The time zones that come up on the way."""
        hops = [hop for way in self.ways(origin, destination) for hop in way]
        return tuple(dict.fromkeys(hop.origin.zone for hop in hops))

    def _long_ways(self, origin: Airport, destination: Airport) -> tuple[Way, ...]:
        """Ways with two changes: from the hubs of one carrier to those of the same or another."""
        km = origin.km_to(destination)
        farthest = max(km * _LONG_DETOUR, km + _LONG_DETOUR_KM)
        # Two small airports are on one ticket only if one carrier goes all the way.
        alone = not origin.rank and not destination.rank
        ways: list[tuple[float, Way]] = []
        for (first, near), (last, far) in product(self._spokes(origin), self._spokes(destination)):
            if near == far or destination in {near, far} or origin in {near, far}:
                continue
            length = origin.km_to(near) + near.km_to(far) + far.km_to(destination)
            if length > farthest or (alone and first != last):
                continue
            for middle in dict.fromkeys((first, last)):
                hop = Hop(middle, near, far)
                if self._operator(hop):
                    way = (Hop(first, origin, near), hop, Hop(last, far, destination))
                    ways.append((length + (first != last) * _LONG_DETOUR_KM, way))
                    break
        return _shortest(ways, _MOST_LONG_WAYS)

    def _spokes(self, airport: Airport) -> list[tuple[str, Airport]]:
        """The hubs that this airport is served from, and by whom."""
        found = []
        for airline in AIRLINES.values():
            for code in airline.hubs:
                hub = self._places.airport(code)
                if hub != airport and self._serves(airline, hub, airport):
                    found.append((airline.code, hub))
        return found

    def _flights(self, hop: Hop) -> tuple[Flight, ...]:
        """The daily flights of one carrier from one airport to another, by time of departure."""
        operator = self._operator(hop)
        if operator is None:
            return ()
        carrier, origin, destination = hop
        km = origin.km_to(destination)
        hop_name = (carrier, origin.code, destination.code)
        daily = self._daily(km, origin.rank + destination.rank)
        first_number = 1 + self._dice.pick(9_000, "number", *hop_name)
        fleet = next(types for limit, types in FLEETS if km <= limit)
        aircraft = fleet[self._dice.pick(len(fleet), "fleet", *hop_name)]
        if operator == REGIONAL:
            aircraft = "AT7" if km <= _REGIONAL_KM else "E75"
        block = _TAXI_MINUTES + round(km / _SPEED_KM_PER_MINUTE)
        block += -block % _GRID_MINUTES
        span = (_LAST_DEPARTURE - _FIRST_DEPARTURE) // daily
        flights = []
        for n in range(daily):
            minute = _FIRST_DEPARTURE + n * span + self._dice.pick(span, "minute", n, *hop_name)
            minute -= minute % _GRID_MINUTES
            number = str(first_number + 2 * n)
            flights.append(
                Flight(
                    *(carrier, operator, number, origin, destination, minute, block, aircraft, km),
                    name=carrier + number + origin.code + destination.code,
                )
            )
        return tuple(flights)

    @staticmethod
    def _daily(km: float, busy: int) -> int:
        """How many flights a day: more where it is near and busy."""
        near = 3 if km < 1_500 else 2 if km < 5_000 else 1  # noqa: PLR2004 - a rule of thumb
        return max(1, near * busy // 4 + 1)

    def _operator(self, hop: Hop) -> str | None:
        """Who operates this carrier's flights on this hop; None if there are none."""
        airline, origin, destination = AIRLINES[hop.carrier], hop.origin, hop.destination
        if hop.carrier == ANYWHERE:
            km = origin.km_to(destination)
            busy = min(origin.rank, destination.rank) >= _BUSY
            reach = _ANYWHERE_KM.get(origin.rank + destination.rank, 0)
            return ANYWHERE if busy and _NEAREST_KM <= km <= reach else None
        if origin.code in airline.hubs:
            return self._serves(airline, origin, destination)
        if destination.code in airline.hubs:
            return self._serves(airline, destination, origin)
        return None

    def _serves(self, airline: Airline, hub: Airport, place: Airport) -> str | None:
        """Who operates this carrier's flights between its hub and the place, if there are any."""
        km = hub.km_to(place)
        if km < _NEAREST_KM or hub.city == place.city:
            return None
        chances = (_AT_HOME if place.country == airline.country else _ABROAD)[place.rank]
        chance = next((chance for limit, chance in chances if km <= limit), 0.0)
        pair = sorted((hub.code, place.code))
        if not chance or self._dice.roll("serves", airline.code, *pair) >= chance:
            return None
        return REGIONAL if place.rank == 0 and km <= _REGIONAL_KM * 2 else airline.code


def _shortest(ways: list[tuple[float, Way]], most: int) -> tuple[Way, ...]:
    """Of ways with their lengths, the shortest; those as long by carrier."""
    ways.sort(key=lambda rated: (rated[0], [hop.carrier for hop in rated[1]]))
    return tuple(way for _, way in ways[:most])
