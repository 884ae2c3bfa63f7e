"""The format of a price."""

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
def test_price_keeps_amadeus_digits_except_a_zero_fraction(
    amount: str, currency: str, price: str
) -> None:
    assert format_price(amount, currency) == price


@given(wholes, fractions)
def test_formatted_price_is_the_same_number(whole: str, fraction: str) -> None:
    written = format_price(f"{whole}.{fraction}", "EUR").removesuffix(" EUR")

    assert Decimal(written) == Decimal(f"{whole}.{fraction}")


@given(wholes, fractions.filter(lambda fraction: fraction.strip("0") != ""))
def test_nonzero_fraction_keeps_every_digit(whole: str, fraction: str) -> None:
    assert format_price(f"{whole}.{fraction}", "EUR") == f"{whole}.{fraction} EUR"


@given(wholes, st.integers(min_value=1, max_value=6))
def test_zero_fraction_is_removed(whole: str, zeros: int) -> None:
    assert format_price(f"{whole}.{'0' * zeros}", "EUR") == f"{whole} EUR"


@given(wholes)
def test_amount_without_a_fraction_keeps_its_zeros(whole: str) -> None:
    assert format_price(whole, "JPY") == f"{whole} JPY"
