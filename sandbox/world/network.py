"""Which carrier flies between which airports, and how often: hubs and spokes.

Whether a carrier serves a place from its hub is chance, weighted by how far and how busy the
place is, and the same for ever under one seed. So small airports far apart have no flights.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.world.airlines import AIRLINES, ANYWHERE, FLEETS, REGIONAL, Airline
from sandbox.world.airports import Airport, Airports
from sandbox.world.dice import Dice

_MIN_KM = 120
_MAX_KM = 15_500
# The chance that a carrier serves a place from its hub: by the place's rank, up to so many km.
_ABROAD: dict[int, tuple[tuple[float, float], ...]] = {
    3: ((9_000, 0.95), (_MAX_KM, 0.7)),
    2: ((2_500, 0.9), (6_000, 0.6), (10_500, 0.45), (_MAX_KM, 0.15)),
    1: ((2_500, 0.6), (6_000, 0.25)),
    0: ((900, 0.35),),
}
_AT_HOME: dict[int, tuple[tuple[float, float], ...]] = {
    3: ((_MAX_KM, 1.0),),
    2: ((_MAX_KM, 0.95),),
    1: ((_MAX_KM, 0.9),),
    0: ((1_500, 0.8), (3_500, 0.35)),
}
_REGIONAL_KM = 700
# ANYWHERE flies between two airports of these ranks, up to so many km.
_BUSY = 2
_ANYWHERE_KM = {4: 9_000, 5: 12_000, 6: _MAX_KM}
# How much farther than the great circle a change of plane may take one: a factor, or some km.
_DETOUR, _DETOUR_KM = 1.6, 800
_LONG_DETOUR, _LONG_DETOUR_KM = 2.2, 2_000
# With so few ways of at most one change, those with two are looked for.
_FEW_ROUTINGS = 3
_MAX_LONG_ROUTINGS = 8
# No seller shows every possible change: these many, the least roundabout.
_MAX_ROUTINGS = 16
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


Routing = tuple[Hop, ...]


class _Spoke(NamedTuple):
    hub: Airport
    km: float


class Network:
    """The timetable of an invented world. Safe to share; it remembers the latest answers."""

    def __init__(self, dice: Dice, airports: Airports) -> None:
        self._dice = dice
        self._airports = airports
        self.routings = lru_cache(maxsize=512)(self._routings)
        self.zones = lru_cache(maxsize=512)(self._zones)
        self.spokes = lru_cache(maxsize=256)(self._spokes)
        self.flights = lru_cache(maxsize=4096)(self._flights)

    def _routings(self, origin: Airport, destination: Airport) -> tuple[Routing, ...]:
        """All ways to go, without dates: direct, with one change, and if need be with two."""
        if origin.city == destination.city:
            return ()
        there, here = self.spokes(destination), self.spokes(origin)
        farthest = self._farthest(origin, destination, _DETOUR, _DETOUR_KM)
        changing = [
            (
                one.km + there[key].km,
                (Hop(key[0], origin, one.hub), Hop(key[0], one.hub, destination)),
            )
            for key, one in here.items()
            if key in there and one.km + there[key].km <= farthest
        ]
        carriers = {code for code, hub in here if hub == destination.code}
        carriers |= {code for code, hub in there if hub == origin.code}
        hops = (Hop(code, origin, destination) for code in sorted({*carriers, ANYWHERE}))
        direct = [(hop,) for hop in hops if self._operator(hop)]
        short = (*direct, *_shortest(changing, _MAX_ROUTINGS))
        return (
            short
            if len(short) > _FEW_ROUTINGS
            else short + self._long_routings(origin, destination)
        )

    def _zones(self, origin: Airport, destination: Airport) -> tuple[ZoneInfo, ...]:
        """The time zones that come up on the way."""
        hops = [hop for routing in self.routings(origin, destination) for hop in routing]
        return tuple(dict.fromkeys(hop.origin.zone for hop in hops))

    def _long_routings(self, origin: Airport, destination: Airport) -> tuple[Routing, ...]:
        """Ways with two changes: from the hubs of one carrier to those of the same or another."""
        farthest = self._farthest(origin, destination, _LONG_DETOUR, _LONG_DETOUR_KM)
        # Two small airports are on one ticket only if one carrier goes all the way.
        alone = not origin.rank and not destination.rank
        routings: list[tuple[float, Routing]] = []
        spokes = self.spokes(origin).items(), self.spokes(destination).items()
        for ((first, _), (near, first_km)), ((last, _), (far, last_km)) in product(*spokes):
            if len({origin.code, near.code, far.code, destination.code}) < 4:  # noqa: PLR2004
                continue
            length = first_km + near.km_to(far) + last_km
            if length > farthest or (alone and first != last):
                continue
            for middle in dict.fromkeys((first, last)):
                hop = Hop(middle, near, far)
                if self._operator(hop):
                    routing = (Hop(first, origin, near), hop, Hop(last, far, destination))
                    routings.append((length + (first != last) * _LONG_DETOUR_KM, routing))
                    break
        return _shortest(routings, _MAX_LONG_ROUTINGS)

    def _spokes(self, airport: Airport) -> dict[tuple[str, str], _Spoke]:
        """The hubs that this airport is served from, by carrier and hub."""
        found = {}
        for airline in AIRLINES.values():
            for code in airline.hubs:
                hub = self._airports.airport(code)
                if self._operator(Hop(airline.code, hub, airport)):
                    found[airline.code, code] = _Spoke(hub, hub.km_to(airport))
        return found

    @staticmethod
    def _farthest(origin: Airport, destination: Airport, factor: float, more: float) -> float:
        """How many kilometres with changes are still worth it."""
        km = origin.km_to(destination)
        return max(km * factor, km + more)

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
            return ANYWHERE if busy and _MIN_KM <= km <= reach else None
        # Between two hubs of one carrier it is the same in both directions.
        for hub, airport in sorted(((origin, destination), (destination, origin)), key=_first_code):
            if hub.code in airline.hubs:
                return self._serves(airline, hub, airport)
        return None

    def _serves(self, airline: Airline, hub: Airport, airport: Airport) -> str | None:
        """Who operates this carrier's flights between its hub and the place, if there are any."""
        km = hub.km_to(airport)
        if km < _MIN_KM or hub.city == airport.city:
            return None
        chances = (_AT_HOME if airport.country == airline.country else _ABROAD)[airport.rank]
        chance = next((chance for limit, chance in chances if km <= limit), 0.0)
        pair = sorted((hub.code, airport.code))
        if not chance or self._dice.roll("serves", airline.code, *pair) >= chance:
            return None
        return REGIONAL if airport.rank == 0 and km <= _REGIONAL_KM * 2 else airline.code


def _shortest(routings: Iterable[tuple[float, Routing]], most: int) -> tuple[Routing, ...]:
    """Of ways with their lengths, the shortest; those as long by carrier."""
    by_length = sorted(routings, key=lambda rated: (rated[0], [hop.carrier for hop in rated[1]]))
    return tuple(routing for _, routing in by_length[:most])


def _first_code(ends: tuple[Airport, Airport]) -> str:
    return ends[0].code
