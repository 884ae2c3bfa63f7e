"""Prices journeys for all travellers in the requested currency, and finds the cheapest."""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from protocol.reference.currencies import CURRENCIES, Currency
from protocol.request.search import Search, TravelerType
from sandbox.offers.journeys import Journey
from sandbox.offers.tariff import PRODUCTS, SHARES, Product, bags
from sandbox.world.airlines import ANYWHERE
from sandbox.world.exchange_rates import RATES, minor

# ANYWHERE's fee for issuing a ticket, in cents. Only `grandTotal` includes it.
_TICKETING_FEE = 350

_ALL_SOLD_FROM_KM = max(product.min_km for product in PRODUCTS)

Combination = tuple[Journey, Product]


class Amounts(NamedTuple):
    """What one traveller pays, in the smallest unit of the currency."""

    base: int
    taxes: int

    @property
    def total(self) -> int:
        """Fare and taxes together."""
        return self.base + self.taxes


class Offer(NamedTuple):
    """One offer; amounts are in the smallest unit of the currency."""

    journey: Journey
    product: Product
    amounts: dict[TravelerType, Amounts]
    total: int
    fee: int

    @property
    def grand_total(self) -> int:
        """The total including the fee."""
        return self.total + self.fee


def by_price(offer: Offer) -> tuple[int, int]:
    """Return the key that sorts offers by price, and equally cheap ones by travel time."""
    return offer.grand_total, offer.journey.seconds


def currency_of(search: Search) -> Currency:
    """Return the currency of the offers: the requested one, or else the euro."""
    return search.currency or CURRENCIES["EUR"]


class Pricing:
    """Prices the journeys of one search."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._currency = currency_of(search)
        self._people = Counter(traveler.type for traveler in search.travelers)
        self._fare_share = sum(SHARES[kind][0] * n for kind, n in self._people.items())
        self._tax_share = sum(SHARES[kind][1] * n for kind, n in self._people.items())

    def cheapest(self, journeys: Sequence[Journey], products: Sequence[Product]) -> list[Offer]:
        """Return the requested number of offers, sorted `by_price`.

        `products` are sorted from the cheapest to the most expensive.
        """
        offers = [self._offer(*combination) for combination in self._shortlist(journeys, products)]
        offers.sort(key=by_price)
        return offers[: self._search.max_offers]

    def _shortlist(
        self, journeys: Sequence[Journey], products: Sequence[Product]
    ) -> Iterator[Combination]:
        """Yield every combination that may be among the cheapest, by an estimate of its price.

        Exact prices of all combinations would take too long.
        """
        combinations = [(journey, self._sold(products, journey)) for journey in journeys]
        limit = self._limit(
            [self._estimate(journey, sold[0]) for journey, sold in combinations if sold]
        )
        for journey, sold in combinations:
            for product in sold:
                if self._estimate(journey, product) > limit:
                    break
                if self._search.max_price is None or self._affordable(journey, product):
                    yield journey, product

    def _sold(self, products: Sequence[Product], journey: Journey) -> Sequence[Product]:
        """Return the fares that are sold for a journey, and have the required bags."""
        if self._search.checked_bags:
            carriers = [one.carrier for one in journey.itineraries]
            products = [one for one in products if all(bags(one, code) for code in carriers)]
        elif journey.min_km >= _ALL_SOLD_FROM_KM:
            return products
        return [one for one in products if one.min_km <= journey.min_km]

    def _limit(self, estimates: list[float]) -> float:
        """Return the highest estimate that can still belong to one of the cheapest offers."""
        count = self._search.max_offers
        if len(estimates) <= count or self._search.max_price is not None:
            return math.inf
        # Rounding changes each amount by at most half a unit. Each of the two compared prices has
        # two amounts for each traveller and a fee.
        unit = 100 / (self._currency.unit * RATES[self._currency.code])
        slack = (2 * len(self._search.travelers) + 1) * unit
        return heapq.nsmallest(count, estimates)[-1] + slack

    def _estimate(self, journey: Journey, product: Product) -> float:
        """Return `grandTotal` in euro cents, not rounded."""
        fee = _TICKETING_FEE if journey.carrier == ANYWHERE else 0
        fare = journey.fare * product.factor * self._fare_share
        return fare + journey.taxes * self._tax_share + fee

    def _affordable(self, journey: Journey, product: Product) -> bool:
        limit = (self._search.max_price or 0) * self._currency.unit
        return all(amount.total <= limit for amount in self._amounts(journey, product).values())

    def _amounts(self, journey: Journey, product: Product) -> dict[TravelerType, Amounts]:
        fare, taxes, currency = journey.fare * product.factor, journey.taxes, self._currency
        return {
            kind: Amounts(
                minor(currency, fare * SHARES[kind][0]), minor(currency, taxes * SHARES[kind][1])
            )
            for kind in self._people
        }

    def _offer(self, journey: Journey, product: Product) -> Offer:
        amounts = self._amounts(journey, product)
        total = sum(amounts[kind].total * n for kind, n in self._people.items())
        charged = journey.carrier == ANYWHERE
        fee = minor(self._currency, _TICKETING_FEE) if charged else 0
        return Offer(journey, product, amounts, total, fee)
