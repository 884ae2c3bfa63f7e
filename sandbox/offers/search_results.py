"""Answers a search with its cheapest offers, sorted by price."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace

from protocol.reference.airports import Airports
from protocol.request.search import CABINS, MAX_CHANGES, Search
from protocol.roles import Found
from sandbox.offers.itineraries import Itineraries, Itinerary
from sandbox.offers.journeys import journeys
from sandbox.offers.pricing import Offer, Pricing, by_price
from sandbox.offers.render import render
from sandbox.offers.tariff import PRODUCTS, Fares, Product, Tariff, at_least
from sandbox.world.dice import Dice
from sandbox.world.network import Network


class Offers:
    """Answers searches. Safe to share between threads. Loads the airports at the first search."""

    def __init__(self, seed: str, clock: Callable[[], float]) -> None:
        self._dice = Dice(seed)
        self._tariff = Tariff(self._dice)
        self._clock = clock
        self.airports = Airports()
        self._itineraries = Itineraries(Network(self._dice, self.airports), self.airports)

    def find(self, search: Search) -> Found:
        """Return the cheapest offers."""
        now = self._clock()
        today = dt.datetime.fromtimestamp(now, dt.UTC).date()
        fares = Fares(self._tariff, today)
        products = [product for product in PRODUCTS if _is_suitable(product, search)]
        departing = [
            _not_departed(self._itineraries.find(direction), now) for direction in search.directions
        ]
        directions = [_filtered(found, search, fares) for found in departing]

        def cheapest(directions: list[list[Itinerary]], count: int) -> list[Offer]:
            found = [
                journey
                for group in _groups(directions, search)
                for journey in journeys(group, fares.fare, fares.taxes)
            ]
            return Pricing(replace(search, max_offers=count)).cheapest(found, products)

        offers = cheapest(directions, search.max_offers)
        if search.one_per_day:
            days = [offer for day in _days(directions, search) for offer in cheapest(day, 1)]
            offers = _with_each_day(offers, days, search.max_offers)
        return render(offers, search, today, fares)


def _is_suitable(product: Product, search: Search) -> bool:
    return all(
        at_least(product, direction.cabin or CABINS[0]) for direction in search.directions
    ) and (product.refundable or not search.refundable)


def _not_departed(found: list[Itinerary], now: float) -> list[Itinerary]:
    # The local date is never later than UTC's next day, so later days need no exact comparison.
    tomorrow = dt.datetime.fromtimestamp(now, dt.UTC).toordinal() + 1
    return [one for one in found if one.day > tomorrow or one.leaves > now]


def _filtered(found: list[Itinerary], search: Search, fares: Fares) -> list[Itinerary]:
    seats = search.seats
    if seats > 1:
        found = [one for one in found if fares.seats(one) >= seats]
    if search.max_changes < MAX_CHANGES:
        found = [one for one in found if len(one.departures) - 1 <= search.max_changes]
    if not search.technical_stops:
        found = [one for one in found if not any(part.flight.stop for part in one.departures)]
    if search.included or search.excluded:
        found = [one for one in found if _has_allowed_airlines(one, search)]
    if search.max_time_percent is not None:
        limit = min((one.seconds for one in found), default=0) * search.max_time_percent / 100
        found = [one for one in found if one.seconds <= limit]
    return found


def _groups(directions: list[list[Itinerary]], search: Search) -> list[list[list[Itinerary]]]:
    """Return the groups of directions that may be combined.

    This is one group, or one for each first airport if the journey must return to it.
    """
    if not search.same_airport or len(directions) == 1:
        return [directions]
    first, *others, last = directions
    airports = {one.departures[0].flight.origin for one in first}
    return [
        [
            [one for one in first if one.departures[0].flight.origin == airport],
            *others,
            [one for one in last if one.departures[-1].flight.destination == airport],
        ]
        for airport in sorted(airports)
    ]


def _days(directions: list[list[Itinerary]], search: Search) -> Iterator[list[list[Itinerary]]]:
    """Yield the itineraries for each day of a window, and those of other directions in order."""
    for number, (found, wanted) in enumerate(zip(directions, search.directions, strict=True)):
        if len(wanted.days) == 1:
            continue
        for day in sorted({one.day for one in found}):
            before = [[one for one in each if one.day <= day] for each in directions[:number]]
            after = [[one for one in each if one.day >= day] for each in directions[number + 1 :]]
            yield [*before, [one for one in found if one.day == day], *after]


def _with_each_day(offers: list[Offer], days: list[Offer], count: int) -> list[Offer]:
    """Return the cheapest offers of all days, and then as many others as are still wanted."""
    # One offer may be the cheapest of a day there and of a day back.
    distinct = [offer for number, offer in enumerate(days) if offer not in days[:number]]
    needed = sorted(distinct, key=by_price)[:count]
    others = [offer for offer in offers if offer not in needed]
    return sorted([*needed, *others[: count - len(needed)]], key=by_price)


def _has_allowed_airlines(itinerary: Itinerary, search: Search) -> bool:
    flights = [departure.flight for departure in itinerary.departures]
    if search.included and not all(flight.carrier in search.included for flight in flights):
        return False
    return not any({flight.carrier, flight.operator} & search.excluded for flight in flights)
