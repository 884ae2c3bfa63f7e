"""From a search to the body of its answer: the cheapest offers, by price."""

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sandbox.airlines import ANYWHERE
from sandbox.dice import Dice
from sandbox.fares import PRODUCTS, SHARES, Fares, Product, at_least
from sandbox.itineraries import Itineraries, Itinerary
from sandbox.network import Network
from sandbox.places import Places
from sandbox.render import render
from sandbox.search import Search, TravelerType

# Of the partial journeys by one carrier, so many are kept while bounds are combined.
_MOST_PARTIAL = 24
# Time between landing and the next bound's departure, in seconds.
_LEAST_STAY = 3600
# What ANYWHERE charges for issuing a ticket, in cents. It shows in `grandTotal` alone.
_TICKETING_FEE = 350


class Amounts(NamedTuple):
    """What one traveller pays, in the smallest unit of the currency."""

    base: int
    taxes: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.base + self.taxes


class Offer(NamedTuple):
    """One thing that can be bought."""

    itineraries: tuple[Itinerary, ...]
    product: Product
    carrier: str
    amounts: dict[TravelerType, Amounts]
    total: int
    fee: int
    seats: int

    @property
    def grand_total(self) -> int:
        """Everything, fees included."""
        return self.total + self.fee


class _Journey(NamedTuple):
    fare: float
    taxes: float
    itineraries: tuple[Itinerary, ...]


class Offers:
    """Answers searches. Safe to share between threads; reads airports at the first search."""

    def __init__(self, seed: str, clock: Callable[[], float]) -> None:
        self._dice = Dice(seed)
        self._clock = clock
        self.places = Places()
        self._itineraries = Itineraries(Network(self._dice, self.places), self.places)

    def find(self, search: Search) -> dict[str, Any]:
        """The body of the answer: `meta`, `data`, and, if there is anything, `dictionaries`."""
        today = dt.datetime.fromtimestamp(self._clock(), dt.UTC).date()
        fares = Fares(self._dice, today, bounds=len(search.bounds))
        offers = heapq.nsmallest(search.most, self._offers(search, fares), key=_by_price)
        return render(offers, search, today)

    def _offers(self, search: Search, fares: Fares) -> Iterator[Offer]:
        people = Counter(traveler.type for traveler in search.travelers)
        products = [product for product in PRODUCTS if _wanted(product, search)]
        for journey in self._journeys(search, fares):
            least_km = min(one.km for one in journey.itineraries)
            for product in products:
                if product.least_km <= least_km:
                    offer = _price(journey, product, people, search, fares)
                    if offer is not None:
                        yield offer

    def _journeys(self, search: Search, fares: Fares) -> list[_Journey]:
        """All bounds together, each journey by one carrier where one goes all the way."""
        bounds = [
            [
                _Journey(fares.fare(one), fares.taxes(one), (one,))
                for one in self._itineraries.find(bound)
                if _allowed(one, search)
            ]
            for bound in search.bounds
        ]
        if len(bounds) == 1:
            return bounds[0]
        common = set.intersection(*({one.itineraries[0].carrier for one in b} for b in bounds))
        if not common:
            return _combined(bounds)
        return [
            journey
            for carrier in sorted(common)
            for journey in _combined(
                [[one for one in b if one.itineraries[0].carrier == carrier] for b in bounds]
            )
        ]


def _combined(bounds: list[list[_Journey]]) -> list[_Journey]:
    """The cheapest ways to put one journey of each bound in a row."""
    rows = _cheapest(bounds[0])
    for bound in bounds[1:]:
        nexts = _cheapest(bound)
        rows = _cheapest(
            _Journey(
                row.fare + one.fare, row.taxes + one.taxes, (*row.itineraries, *one.itineraries)
            )
            for row in rows
            for one in nexts
            if row.itineraries[-1].departures[-1].arrives + _LEAST_STAY
            <= one.itineraries[0].departures[0].leaves
        )
    return rows


def _cheapest(journeys: Iterable[_Journey]) -> list[_Journey]:
    return heapq.nsmallest(_MOST_PARTIAL, journeys, key=lambda one: one.fare + one.taxes)


def _price(
    journey: _Journey, product: Product, people: Counter[TravelerType], search: Search, fares: Fares
) -> Offer | None:
    """This journey under this kind of fare; None if it is dearer than the search allows."""
    currency = search.currency
    base, taxes = journey.fare * product.factor, journey.taxes
    amounts = {
        kind: Amounts(
            currency.minor(base * SHARES[kind][0]), currency.minor(taxes * SHARES[kind][1])
        )
        for kind in people
    }
    dearest = max(amount.total for amount in amounts.values())
    if search.most_price is not None and dearest > search.most_price * currency.unit:
        return None
    carrier = journey.itineraries[0].carrier
    fee = currency.minor(_TICKETING_FEE) if carrier == ANYWHERE else 0
    return Offer(
        journey.itineraries,
        product,
        carrier,
        amounts,
        sum(amounts[kind].total * count for kind, count in people.items()),
        fee,
        min(map(fares.seats, journey.itineraries)),
    )


def _by_price(offer: Offer) -> tuple[int, int]:
    return offer.grand_total, sum(one.seconds for one in offer.itineraries)


def _wanted(product: Product, search: Search) -> bool:
    return (
        all(at_least(product, bound.cabin) for bound in search.bounds)
        and (product.bags > 0 or not search.checked_bags)
        and (product.refundable or not search.refundable)
    )


def _allowed(itinerary: Itinerary, search: Search) -> bool:
    if len(itinerary.departures) - 1 > search.most_changes:
        return False
    flights = [departure.flight for departure in itinerary.departures]
    if search.included and not all(flight.carrier in search.included for flight in flights):
        return False
    return not any({flight.carrier, flight.operator} & search.excluded for flight in flights)
