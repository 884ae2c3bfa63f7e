"""Journeys: one itinerary for each direction of the search, with fare and taxes."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sandbox.offers.itineraries import Itinerary

# When directions are combined, only this many of the cheapest combinations are kept: for each
# single carrier, and for several carriers together.
_MAX_SINGLE, _MAX_MIXED = 8, 24
# The factor on the fare if one carrier flies all directions.
_SAME_CARRIER_FACTOR = 0.92
# Seconds from landing to the departure of the next direction.
_MIN_STAY = 3600


class Journey(NamedTuple):
    """A journey in all directions. Amounts are euro cents for one adult at the lowest fare."""

    fare: float
    taxes: float
    itineraries: tuple[Itinerary, ...]
    min_km: float
    """The distance of its shortest direction."""

    @property
    def carrier(self) -> str:
        """The validating airline."""
        return self.itineraries[0].carrier

    @property
    def seconds(self) -> int:
        """The travel time of all directions together."""
        return sum(one.seconds for one in self.itineraries)


def journeys(
    directions: list[list[Itinerary]],
    fare: Callable[[Itinerary], float],
    taxes: Callable[[Itinerary], float],
) -> list[Journey]:
    """Return all journeys for one direction, or the cheapest ones for several directions.

    `directions` holds the itineraries of each direction. `fare` and `taxes` return euro cents.
    """
    steps = [
        [Journey(fare(one), taxes(one), (one,), one.km) for one in direction]
        for direction in directions
    ]
    if len(steps) == 1:
        return steps[0]
    by_carrier: list[dict[str, list[Journey]]] = []
    for step in steps:
        groups = defaultdict(list)
        for one in step:
            groups[one.carrier].append(one)
        by_carrier.append(groups)
    single = [
        journey._replace(fare=journey.fare * _SAME_CARRIER_FACTOR)
        for carrier in by_carrier[0]
        if all(carrier in groups for groups in by_carrier)
        for journey in _combine([groups[carrier] for groups in by_carrier], _MAX_SINGLE)
    ]
    mixed = _combine(steps, _MAX_MIXED)
    return single + [one for one in mixed if len({part.carrier for part in one.itineraries}) > 1]


def _combine(steps: list[list[Journey]], count: int) -> list[Journey]:
    """Return the cheapest combinations of one journey from each step, in order."""
    journeys = _cheapest(steps[0], count)
    for step in steps[1:]:
        nexts = _cheapest(step, count)
        journeys = _cheapest(
            (_join(one, after) for one in journeys for after in nexts if _can_follow(one, after)),
            count,
        )
    return journeys


def _join(first: Journey, second: Journey) -> Journey:
    return Journey(
        first.fare + second.fare,
        first.taxes + second.taxes,
        (*first.itineraries, *second.itineraries),
        min(first.min_km, second.min_km),
    )


def _can_follow(first: Journey, second: Journey) -> bool:
    return first.itineraries[-1].arrives + _MIN_STAY <= second.itineraries[0].leaves


def _cheapest(journeys: Iterable[Journey], count: int) -> list[Journey]:
    return heapq.nsmallest(count, journeys, key=lambda one: one.fare + one.taxes)
