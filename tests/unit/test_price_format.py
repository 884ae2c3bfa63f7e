"""How a price is written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models import format_price

wholes = st.integers(min_value=0, max_value=10**9).map(str)
fractions = st.text("0123456789", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        ("250.00", "USD", "250 USD"),
        ("477.65", "EUR", "477.65 EUR"),
        ("250.50", "EUR", "250.50 EUR"),
        ("31400", "JPY", "31400 JPY"),
        ("100.0", "EUR", "100 EUR"),
        ("12.345", "KWD", "12.345 KWD"),
    ],
)
def test_a_price_is_written_as_amadeus_wrote_it_less_a_fraction_of_zeros(
    amount: str, currency: str, price: str
) -> None:
    assert format_price(amount, currency) == price


@given(wholes, fractions)
def test_the_number_stays_the_same(whole: str, fraction: str) -> None:
    written = format_price(f"{whole}.{fraction}", "EUR").removesuffix(" EUR")

    assert Decimal(written) == Decimal(f"{whole}.{fraction}")


@given(wholes, fractions.filter(lambda fraction: fraction.strip("0") != ""))
def test_a_fraction_that_says_something_stays_to_the_last_digit(whole: str, fraction: str) -> None:
    assert format_price(f"{whole}.{fraction}", "EUR") == f"{whole}.{fraction} EUR"


@given(wholes, st.integers(min_value=1, max_value=6))
def test_a_fraction_of_zeros_goes(whole: str, zeros: int) -> None:
    assert format_price(f"{whole}.{'0' * zeros}", "EUR") == f"{whole} EUR"


@given(wholes)
def test_an_amount_without_a_fraction_keeps_its_zeros(whole: str) -> None:
    assert format_price(whole, "JPY") == f"{whole} JPY"
