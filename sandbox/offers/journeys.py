"""Whole journeys: one itinerary for each bound of the search, with its fare and taxes."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sandbox.offers.itineraries import Itinerary

# While bounds are put in a row, so many of the cheapest beginnings are kept: by each carrier
# alone, and by several together.
_MAX_ALONE, _MAX_MIXED = 8, 24
# Several bounds by one carrier cost that much less.
_LOYALTY = 0.92
# From landing to the departure of the next bound, in seconds.
_MIN_STAY = 3600


class Journey(NamedTuple):
    """All bounds of a journey; the amounts are euro cents for one adult at the lowest fare."""

    fare: float
    taxes: float
    itineraries: tuple[Itinerary, ...]
    least_km: float
    """How far its shortest bound goes."""

    @property
    def carrier(self) -> str:
        """Who validates the ticket."""
        return self.itineraries[0].carrier

    @property
    def seconds(self) -> int:
        """The time on the way, all bounds together."""
        return sum(one.seconds for one in self.itineraries)


def journeys(
    directions: list[list[Itinerary]],
    fare: Callable[[Itinerary], float],
    taxes: Callable[[Itinerary], float],
) -> list[Journey]:
    """All journeys for one bound; for several the cheapest, by one carrier and by more."""
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
    alone = [
        journey._replace(fare=journey.fare * _LOYALTY)
        for carrier in by_carrier[0]
        if all(carrier in groups for groups in by_carrier)
        for journey in _in_a_row([groups[carrier] for groups in by_carrier], _MAX_ALONE)
    ]
    mixed = _in_a_row(steps, _MAX_MIXED)
    return alone + [one for one in mixed if len({leg.carrier for leg in one.itineraries}) > 1]


def _in_a_row(steps: list[list[Journey]], most: int) -> list[Journey]:
    """The cheapest ways to take one journey of each step, one after the other."""
    rows = _cheapest(steps[0], most)
    for step in steps[1:]:
        nexts = _cheapest(step, most)
        rows = _cheapest(
            (_joined(row, one) for row in rows for one in nexts if _late(row, one)), most
        )
    return rows


def _joined(row: Journey, step: Journey) -> Journey:
    return Journey(
        row.fare + step.fare,
        row.taxes + step.taxes,
        (*row.itineraries, *step.itineraries),
        min(row.least_km, step.least_km),
    )


def _late(row: Journey, step: Journey) -> bool:
    """Whether the step leaves late enough after the row."""
    return row.itineraries[-1].arrives + _MIN_STAY <= step.itineraries[0].leaves


def _cheapest(choice: Iterable[Journey], most: int) -> list[Journey]:
    return heapq.nsmallest(most, choice, key=lambda one: one.fare + one.taxes)
