"""Fares of flight offers, and the cheapest offer."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from api.errors import AmadeusBadAnswer

_CURRENCY: Final = re.compile("[A-Z]{3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


class _Price(msgspec.Struct, rename="camel"):
    grand_total: str
    currency: str


class _Offer(msgspec.Struct):
    price: _Price


T = TypeVar("T")
_read_json: Final = msgspec.json.Decoder(_Offer).decode


@dataclass(frozen=True, slots=True)
class Fare:
    """The total price of an offer. amount: a decimal number as Amadeus wrote it."""

    amount: str
    currency: str


def cheapest_offer(offers: object, currency: str | None) -> tuple[Fare, object] | None:
    """Return the lowest grand total and the first offer that has it; None if the list is empty.

    Only fares in one currency are compared: in the requested `currency` if any fare is in it,
    else in the currency of the first fare.

    Raises AmadeusBadAnswer if `offers` is not a list, or if no offer has a valid price.
    """
    if not isinstance(offers, list):
        raise AmadeusBadAnswer("Amadeus's answer has no list of offers.")
    cheapest = cheapest_offers(offers)
    first = next(iter(cheapest.values()), None)
    return first if currency is None else cheapest.get(currency, first)


def cheapest_offers(offers: list[T]) -> dict[str, tuple[Fare, T]]:
    """Return the cheapest offer of each currency, as `cheapest_offer` does; the first one first.

    offers: parsed, or each as its JSON.
    """
    cheapest: dict[str, tuple[Fare, T]] = {}
    for offer in offers:
        fare = _fare(offer)
        if fare is None:
            continue
        known = cheapest.get(fare.currency)
        if known is None or Decimal(fare.amount) < Decimal(known[0].amount):
            cheapest[fare.currency] = fare, offer
    if offers and not cheapest:
        raise AmadeusBadAnswer("None of Amadeus's offers has a valid price.")
    return cheapest


def _fare(offer: object) -> Fare | None:
    """Return the fare of an offer; None if it is missing or invalid."""
    try:
        if isinstance(offer, msgspec.Raw):
            price = _read_json(offer).price
        else:
            price = msgspec.convert(offer, _Offer).price
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter: half a surrogate pair
        return None
    amount, currency = price.grand_total, price.currency
    if not _CURRENCY.fullmatch(currency) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        return None
    return Fare(amount, currency)
