"""From fares to offers: what each traveller pays in the asked currency, and what is cheapest."""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sandbox.offers.journeys import Journey
from sandbox.offers.tariff import SHARES, Product
from sandbox.request.search import Search, TravelerType
from sandbox.world.airlines import ANYWHERE

# What ANYWHERE charges for issuing a ticket, in cents. It shows in `grandTotal` alone.
_TICKETING_FEE = 350

Combination = tuple[Journey, Product]


class Amounts(NamedTuple):
    """What one traveller pays, in the smallest unit of the currency."""

    base: int
    taxes: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.base + self.taxes


class Offer(NamedTuple):
    """One thing that can be bought; amounts in the smallest unit of the currency."""

    journey: Journey
    product: Product
    amounts: dict[TravelerType, Amounts]
    total: int
    fee: int

    @property
    def grand_total(self) -> int:
        """Everything, fees included."""
        return self.total + self.fee


class Pricing:
    """Prices the choices of one search."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._people = Counter(traveler.type for traveler in search.travelers)
        self._fare_share = sum(SHARES[kind][0] * n for kind, n in self._people.items())
        self._tax_share = sum(SHARES[kind][1] * n for kind, n in self._people.items())

    def cheapest(self, journeys: Sequence[Journey], products: Sequence[Product]) -> list[Offer]:
        """As many offers as the search wants, by `grandTotal`, then by time on the way.

        `products` go from the cheapest to the dearest.
        """
        offers = [self._offer(*combination) for combination in self._shortlist(journeys, products)]
        offers.sort(key=lambda offer: (offer.grand_total, offer.journey.seconds))
        return offers[: self._search.most]

    def _shortlist(
        self, journeys: Sequence[Journey], products: Sequence[Product]
    ) -> Iterator[Combination]:
        """All that can be among the cheapest: exact prices of all would take too long."""
        sold_from = max((one.least_km for one in products), default=0)
        combinations = [
            (
                journey,
                products
                if journey.least_km >= sold_from
                else [one for one in products if one.least_km <= journey.least_km],
            )
            for journey in journeys
        ]
        limit = self._limit(
            [self._estimate(journey, sold[0]) for journey, sold in combinations if sold]
        )
        for journey, sold in combinations:
            for product in sold:
                if self._estimate(journey, product) > limit:
                    break
                if self._search.most_price is None or self._affordable(journey, product):
                    yield journey, product

    def _limit(self, estimates: list[float]) -> float:
        """What is dearer than this is not among the cheapest, however it is rounded."""
        most = self._search.most
        if len(estimates) <= most or self._search.most_price is not None:
            return math.inf
        # Each amount is rounded by at most half a unit; there are two for each traveller, on both
        # sides of a comparison, and a fee.
        unit = 100 / (self._search.currency.unit * self._search.currency.rate)
        slack = (2 * len(self._search.travelers) + 1) * unit
        return heapq.nsmallest(most, estimates)[-1] + slack

    def _estimate(self, journey: Journey, product: Product) -> float:
        """`grandTotal` in cents, but for the rounding."""
        fee = _TICKETING_FEE if journey.carrier == ANYWHERE else 0
        fare = journey.fare * product.factor * self._fare_share
        return fare + journey.taxes * self._tax_share + fee

    def _affordable(self, journey: Journey, product: Product) -> bool:
        limit = (self._search.most_price or 0) * self._search.currency.unit
        return all(amount.total <= limit for amount in self._amounts(journey, product).values())

    def _amounts(self, journey: Journey, product: Product) -> dict[TravelerType, Amounts]:
        minor = self._search.currency.minor
        fare, taxes = journey.fare * product.factor, journey.taxes
        return {
            kind: Amounts(minor(fare * SHARES[kind][0]), minor(taxes * SHARES[kind][1]))
            for kind in self._people
        }

    def _offer(self, journey: Journey, product: Product) -> Offer:
        amounts = self._amounts(journey, product)
        total = sum(amounts[kind].total * n for kind, n in self._people.items())
        charged = journey.carrier == ANYWHERE
        fee = self._search.currency.minor(_TICKETING_FEE) if charged else 0
        return Offer(journey, product, amounts, total, fee)
