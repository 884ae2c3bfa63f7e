"""What offers cost, and which of them costs least."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from api.errors import AmadeusBadAnswer

_CURRENCY: Final = re.compile("[A-Z]{3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Fare:
    """What an offer costs in all: an amount as Amadeus wrote it, and its currency."""

    amount: str
    currency: str


def cheapest_fare(offers: object, currency: str | None) -> Fare | None:
    """The lowest grand total among offers, compared as numbers; None if the list is empty.

    `currency`: the one that was asked for, if any. Amounts in several currencies cannot be
    compared: of a mixed list only those in the asked currency count, else in the first one's.
    Raises AmadeusBadAnswer where `offers` is no list, or holds no offer with a price.
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
    """The fare of one offer; None if it is missing or cannot be one."""
    price = offer.get("price") if isinstance(offer, dict) else None
    if not isinstance(price, dict):
        return None
    amount, currency = price.get("grandTotal"), price.get("currency")
    if not isinstance(amount, str) or not isinstance(currency, str):
        return None
    if not _CURRENCY.fullmatch(currency) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        return None
    return Fare(amount, currency)
