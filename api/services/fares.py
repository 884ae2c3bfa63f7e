"""Fares of flight offers, and the cheapest of them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from api.errors import AmadeusBadAnswer

_CURRENCY: Final = re.compile("[A-Z]{3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Fare:
    """The total price of an offer. amount: a decimal number as Amadeus wrote it."""

    amount: str
    currency: str


def cheapest_fare(offers: object, currency: str | None) -> Fare | None:
    """Return the offers' lowest grand total; None if the list is empty.

    Only fares in one currency are compared: in the requested `currency` if any fare is in it,
    else in the currency of the first fare.

    Raises AmadeusBadAnswer if `offers` is not a list, or if no offer has a valid price.
    """
    if not isinstance(offers, list):
        raise AmadeusBadAnswer("Amadeus's answer has no list of offers.")
    if not offers:
        return None
    fares = [fare for fare in map(_fare, offers) if fare is not None]
    if not fares:
        raise AmadeusBadAnswer("None of Amadeus's offers has a valid price.")
    currencies = [fare.currency for fare in fares]
    common = currency if currency in currencies else currencies[0]
    comparable = (fare for fare in fares if fare.currency == common)
    return min(comparable, key=lambda fare: Decimal(fare.amount))


def _fare(offer: object) -> Fare | None:
    """Return the fare of an offer; None if it is missing or invalid."""
    price = offer.get("price") if isinstance(offer, dict) else None
    if not isinstance(price, dict):
        return None
    amount, currency = price.get("grandTotal"), price.get("currency")
    if not isinstance(amount, str) or not isinstance(currency, str):
        return None
    if not _CURRENCY.fullmatch(currency) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        return None
    return Fare(amount, currency)
