"""The route network: which carrier flies between which airports, and when.

Carriers fly between their hubs and other airports. The seed decides which airports they serve, with
a higher chance for near and busy ones. So small airports far apart have no flights.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from protocol.reference.airport_sizes import RANKS
from protocol.reference.airports import Airport, Airports
from sandbox.world.airlines import AIRLINES, ANYWHERE, FLEETS, PARTNERS, REGIONAL, Airline
from sandbox.world.dice import Dice

_MIN_KM = 120
_MAX_KM = 15_500
# The chance that a carrier serves an airport from its hub, by the airport's rank. Each pair is a
# maximum distance in km and the chance up to it.
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
# ANYWHERE flies between airports of at least rank _BUSY, up to a distance by the sum of the ranks.
_BUSY = 2
_ANYWHERE_KM = {4: 9_000, 5: 12_000, 6: _MAX_KM}
# The maximum distance with one change, or with two: a factor of the great circle, or additional km.
_DETOUR, _DETOUR_KM = 1.6, 800
_LONG_DETOUR, _LONG_DETOUR_KM = 2.2, 2_000
# Routings with two changes are added if there are at most this many others.
_FEW_ROUTINGS = 3
_MAX_LONG_ROUTINGS = 8
# The maximum number of routings with one change; the shortest ones are kept.
_MAX_ROUTINGS = 16
_SPEED_KM_PER_MINUTE = 13.5
_TAXI_MINUTES = 35
_FIRST_DEPARTURE, _LAST_DEPARTURE = 6 * 60, 22 * 60 + 30
_GRID_MINUTES = 5
# The chance that an alliance partner operates a flight from or to its own hub.
_PARTNER_CHANCE = 0.4
# The chance that a long flight has a technical stop, unless it is the first of the day. The stop is
# at one of so many busy airports, of those with the shortest detour.
_STOP_CHANCE, _STOP_KM, _STOP_PLACES = 0.15, 6_000, 4
_MAX_STOP_DETOUR, _MIN_STOP_SHARE = 1.1, 0.25
_STOP_MINUTES = range(45, 95, 5)


class Stop(NamedTuple):
    """A technical stop of a flight."""

    airport: Airport
    after: int
    """Minutes from the departure of the flight to the arrival there."""
    minutes: int
    """Minutes on the ground."""


class Flight(NamedTuple):
    """A flight that leaves each day at the same local time."""

    carrier: str
    operator: str
    number: str
    origin: Airport
    destination: Airport
    minute: int
    """Local minute of the day of the departure."""
    block: int
    """Minutes from gate to gate."""
    aircraft: str
    km: float
    name: str
    """A name that is unique in the timetable."""
    stop: Stop | None = None


class Hop(NamedTuple):
    """A carrier's route from one airport to another."""

    carrier: str
    origin: Airport
    destination: Airport


Routing = tuple[Hop, ...]


class _Spoke(NamedTuple):
    hub: Airport
    km: float


class Network:
    """The invented timetable, with caches. Safe to share between threads."""

    def __init__(self, dice: Dice, airports: Airports) -> None:
        self._dice = dice
        self._airports = airports
        self.routings = lru_cache(maxsize=512)(self._routings)
        self.zones = lru_cache(maxsize=512)(self._zones)
        self.spokes = lru_cache(maxsize=256)(self._spokes)
        self.flights = lru_cache(maxsize=4096)(self._flights)

    def _routings(self, origin: Airport, destination: Airport) -> tuple[Routing, ...]:
        """Return the routings: direct, with one change, and if these are few, with two."""
        if origin.city == destination.city:
            return ()
        outward, onward = self.spokes(origin), self.spokes(destination)
        max_km = self._max_km(origin, destination, _DETOUR, _DETOUR_KM)
        one_change = [
            (
                spoke.km + onward[key].km,
                (Hop(key[0], origin, spoke.hub), Hop(key[0], spoke.hub, destination)),
            )
            for key, spoke in outward.items()
            if key in onward and spoke.km + onward[key].km <= max_km
        ]
        carriers = {code for code, hub in outward if hub == destination.code}
        carriers |= {code for code, hub in onward if hub == origin.code}
        hops = (Hop(code, origin, destination) for code in sorted({*carriers, ANYWHERE}))
        direct = [(hop,) for hop in hops if self._operator(hop)]
        short = (*direct, *_shortest(one_change, _MAX_ROUTINGS))
        return (
            short
            if len(short) > _FEW_ROUTINGS
            else short + self._long_routings(origin, destination)
        )

    def _zones(self, origin: Airport, destination: Airport) -> tuple[ZoneInfo, ...]:
        """Return the time zones of all airports of departure."""
        hops = [hop for routing in self.routings(origin, destination) for hop in routing]
        return tuple(dict.fromkeys(hop.origin.zone for hop in hops))

    def _long_routings(self, origin: Airport, destination: Airport) -> tuple[Routing, ...]:
        """Return the routings with two changes, by one carrier or by two."""
        max_km = self._max_km(origin, destination, _LONG_DETOUR, _LONG_DETOUR_KM)
        # Between two small airports, one carrier must fly the whole routing.
        one_carrier = not origin.rank and not destination.rank
        routings: list[tuple[float, Routing]] = []
        spokes = self.spokes(origin).items(), self.spokes(destination).items()
        for ((first, _), (near, first_km)), ((last, _), (far, last_km)) in product(*spokes):
            if len({origin.code, near.code, far.code, destination.code}) < 4:  # noqa: PLR2004
                continue
            length = first_km + near.km_to(far) + last_km
            if length > max_km or (one_carrier and first != last):
                continue
            for middle in dict.fromkeys((first, last)):
                hop = Hop(middle, near, far)
                if self._operator(hop):
                    routing = (Hop(first, origin, near), hop, Hop(last, far, destination))
                    routings.append((length + (first != last) * _LONG_DETOUR_KM, routing))
                    break
        return _shortest(routings, _MAX_LONG_ROUTINGS)

    def _spokes(self, airport: Airport) -> dict[tuple[str, str], _Spoke]:
        """Return the hubs with flights to an airport, by carrier and hub code."""
        found = {}
        for airline in AIRLINES.values():
            for code in airline.hubs:
                hub = self._airports.airport(code)
                if self._operator(Hop(airline.code, hub, airport)):
                    found[airline.code, code] = _Spoke(hub, hub.km_to(airport))
        return found

    @staticmethod
    def _max_km(origin: Airport, destination: Airport, factor: float, extra_km: float) -> float:
        km = origin.km_to(destination)
        return max(km * factor, km + extra_km)

    def _flights(self, hop: Hop) -> tuple[Flight, ...]:
        """Return a carrier's daily flights on a hop, sorted by time of departure."""
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
        span = (_LAST_DEPARTURE - _FIRST_DEPARTURE) // daily
        flights = []
        for n in range(daily):
            minute = _FIRST_DEPARTURE + n * span + self._dice.pick(span, "minute", n, *hop_name)
            minute -= minute % _GRID_MINUTES
            number = str(first_number + 2 * n)
            stop = self._stop(hop, n) if n and km >= _STOP_KM else None
            flights.append(
                Flight(
                    carrier=carrier,
                    operator=self._partner(hop, n) or operator,
                    number=number,
                    origin=origin,
                    destination=destination,
                    minute=minute,
                    block=(stop.after + stop.minutes if stop else 0)
                    + _block(stop.airport.km_to(destination) if stop else km),
                    aircraft=aircraft,
                    km=km,
                    name=carrier + number + origin.code + destination.code,
                    stop=stop,
                )
            )
        return tuple(flights)

    def _partner(self, hop: Hop, n: int) -> str | None:
        """Return the partner that operates the day's nth flight on a hop, or None."""
        ends = {hop.origin.code, hop.destination.code}
        partners = [code for code in PARTNERS.get(hop.carrier, ()) if ends & {*AIRLINES[code].hubs}]
        name = n, hop.carrier, hop.origin.code, hop.destination.code
        if not partners or self._dice.roll("partner", *name) >= _PARTNER_CHANCE:
            return None
        return partners[self._dice.pick(len(partners), "which partner", *name)]

    def _stop(self, hop: Hop, n: int) -> Stop | None:
        """Return the technical stop of the day's nth flight on a long hop, or None."""
        carrier, origin, destination = hop
        name = n, carrier, origin.code, destination.code
        if self._dice.roll("stop", *name) >= _STOP_CHANCE:
            return None
        km = origin.km_to(destination)
        places = []
        for airport in self._busy:
            legs = origin.km_to(airport), airport.km_to(destination)
            if sum(legs) <= km * _MAX_STOP_DETOUR and min(legs) >= km * _MIN_STOP_SHARE:
                places.append((sum(legs), airport))
        if not places:
            return None
        places = sorted(places)[:_STOP_PLACES]
        airport = places[self._dice.pick(len(places), "where", *name)][1]
        minutes = _STOP_MINUTES[self._dice.pick(len(_STOP_MINUTES), "on the ground", *name)]
        return Stop(airport, _block(origin.km_to(airport)), minutes)

    @cached_property
    def _busy(self) -> list[Airport]:
        return [self._airports.airport(code) for code, rank in RANKS.items() if rank >= _BUSY]

    @staticmethod
    def _daily(km: float, ranks: int) -> int:
        """Return the number of daily flights. `ranks` is the sum of the airports' ranks."""
        near = 3 if km < 1_500 else 2 if km < 5_000 else 1  # noqa: PLR2004 - a rule of thumb
        return max(1, near * ranks // 4 + 1)

    def _operator(self, hop: Hop) -> str | None:
        """Return the airline that operates the flights on a hop; None if there are none."""
        airline, origin, destination = AIRLINES[hop.carrier], hop.origin, hop.destination
        if hop.carrier == ANYWHERE:
            km = origin.km_to(destination)
            busy = min(origin.rank, destination.rank) >= _BUSY
            reach = _ANYWHERE_KM.get(origin.rank + destination.rank, 0)
            return ANYWHERE if busy and _MIN_KM <= km <= reach else None
        # Sorted, so that the result between two hubs is the same in both directions.
        for hub, airport in sorted(((origin, destination), (destination, origin)), key=_first_code):
            if hub.code in airline.hubs:
                return self._serves(airline, hub, airport)
        return None

    def _serves(self, airline: Airline, hub: Airport, airport: Airport) -> str | None:
        """Return the operator of a carrier's flights between its hub and an airport, or None."""
        km = hub.km_to(airport)
        if km < _MIN_KM or hub.city == airport.city:
            return None
        chances = (_AT_HOME if airport.country == airline.country else _ABROAD)[airport.rank]
        chance = next((chance for limit, chance in chances if km <= limit), 0.0)
        pair = sorted((hub.code, airport.code))
        if not chance or self._dice.roll("serves", airline.code, *pair) >= chance:
            return None
        return REGIONAL if airport.rank == 0 and km <= _REGIONAL_KM * 2 else airline.code


def _block(km: float) -> int:
    """Return the minutes from gate to gate."""
    minutes = _TAXI_MINUTES + round(km / _SPEED_KM_PER_MINUTE)
    return minutes + -minutes % _GRID_MINUTES


def _shortest(routings: Iterable[tuple[float, Routing]], count: int) -> tuple[Routing, ...]:
    """Return the shortest routings, given with their lengths; equal ones are sorted by carrier."""
    by_length = sorted(routings, key=lambda rated: (rated[0], [hop.carrier for hop in rated[1]]))
    return tuple(routing for _, routing in by_length[:count])


def _first_code(ends: tuple[Airport, Airport]) -> str:
    return ends[0].code
