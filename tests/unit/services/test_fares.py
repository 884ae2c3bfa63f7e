"""Selection of the cheapest offer."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from api.errors import AmadeusBadAnswer
from api.services.fares import Fare, cheapest_offer, cheapest_offers

amounts = st.decimals("0.01", "99999.99", places=2).map(str)


def offer(amount: object, currency: object = "EUR") -> dict[str, Any]:
    return {"type": "flight-offer", "price": {"grandTotal": amount, "currency": currency}}


def fares(offers: list[Any]) -> list[Fare] | None:
    """The lowest fare of each currency."""
    try:
        return [fare for fare, _ in cheapest_offers(offers).values()]
    except AmadeusBadAnswer:
        return None


def cheapest_fare(offers: object, currency: str | None) -> Fare | None:
    """The fare of the cheapest offer. Parsed offers and their JSON have the same fares."""
    if isinstance(offers, list):
        assert fares([Raw(json.dumps(each).encode()) for each in offers]) == fares(offers)
    found = cheapest_offer(offers, currency)
    return None if found is None else found[0]


@given(st.lists(amounts, min_size=1), st.randoms(use_true_random=False))
def test_order_of_the_offers_does_not_matter(prices: list[str], shuffler: Any) -> None:
    offers = [offer(price) for price in prices]
    shuffler.shuffle(offers)

    fare = cheapest_fare(offers, None)

    assert fare is not None
    assert Decimal(fare.amount) == min(map(Decimal, prices))


@pytest.mark.parametrize(
    ("prices", "cheapest"),
    [
        (["100.00", "99.99"], "99.99"),
        (["10.00", "9.50"], "9.50"),
        (["1000000000.01", "1000000000.02"], "1000000000.01"),
        (["0.100001", "0.10"], "0.10"),
    ],
)
def test_amounts_are_compared_as_exact_numbers_and_not_as_text(
    prices: list[str], cheapest: str
) -> None:
    assert cheapest_fare([offer(price) for price in prices], None) == Fare(cheapest, "EUR")


def test_amount_stays_as_amadeus_wrote_it() -> None:
    assert cheapest_fare([offer("250.00")], None) == Fare("250.00", "EUR")


def test_offers_in_other_than_the_requested_currency_are_ignored() -> None:
    offers = [offer("90.00", "USD"), offer("100.00", "EUR"), offer("95.00", "EUR")]

    assert cheapest_fare(offers, "EUR") == Fare("95.00", "EUR")


def test_first_of_equally_cheap_offers_is_taken() -> None:
    offers = [offer("100.00"), offer("90.00"), offer("90.0"), offer("90.00")]

    found = cheapest_offer(offers, None)

    assert found is not None
    assert found[1] is offers[1]


@pytest.mark.parametrize("asked", [None, "JPY"])
def test_mixed_offers_without_the_requested_currency_use_the_first_one(
    asked: str | None,
) -> None:
    offers = [offer("100.00", "USD"), offer("1.00", "EUR"), offer("90.00", "USD")]

    assert cheapest_fare(offers, asked) == Fare("90.00", "USD")


ODD_PRICES = [
    None, "", "abc", "-1.00", "0.00", "0", "1e3", " 12.00", "12.00\n", "12,00", "1_000",
    "NaN", "Infinity", "١٢", "1.", ".5", 250, 250.0, True, ["250.00"], "9" * 13,
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_PRICES, ids=repr)
def test_offer_with_an_odd_price_is_ignored(odd: object) -> None:
    assert cheapest_fare([offer(odd), offer("300.00")], None) == Fare("300.00", "EUR")


@pytest.mark.parametrize(
    "odd", [None, 1, [], {}, "offer", {"price": None}, {"price": []}], ids=repr
)
def test_malformed_offers_are_ignored(odd: object) -> None:
    assert cheapest_fare([odd, offer("300.00")], None) == Fare("300.00", "EUR")


def test_offer_without_a_currency_is_ignored() -> None:
    assert cheapest_fare([offer("1.00", None), offer("300.00")], None) == Fare("300.00", "EUR")


def test_empty_offer_list_means_no_offers() -> None:
    assert cheapest_fare([], None) is None


@pytest.mark.parametrize("offers", [None, {}, "text", 5], ids=repr)
def test_non_list_data_is_a_bad_answer(offers: object) -> None:
    with pytest.raises(AmadeusBadAnswer, match="no list of offers"):
        cheapest_fare(offers, None)


def test_offers_without_any_price_are_a_bad_answer() -> None:
    with pytest.raises(AmadeusBadAnswer, match="has a valid price"):
        cheapest_fare([offer("abc"), {}], None)
