"""The bodies of answers."""

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field


class FlightPrice(BaseModel):
    """The cheapest price for a query. The response has the fields in this order."""

    model_config = ConfigDict(frozen=True)

    origin: str = Field(examples=["JFK"])
    destination: str = Field(examples=["LAX"])
    departure_date: dt.date
    price: str = Field(
        description="amount and currency, like 250 USD or 477.65 EUR",
        pattern="^[0-9]+([.][0-9]+)? [A-Z]{3}$",
        examples=["250 USD"],
    )


def format_price(amount: str, currency: str) -> str:
    """Return amount and currency, like `250 USD`; a fraction of zeros is left out.

    `amount` is a decimal number in plain notation, like 250.00.
    """
    whole, _, fraction = amount.partition(".")
    return f"{amount if fraction.strip('0') else whole} {currency}"
