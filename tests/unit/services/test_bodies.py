"""The body of an entry, which holds a price and its offer."""

import datetime as dt
import zlib
from base64 import b64decode

import pytest

from api.models import FlightOffer
from api.services.bodies import FORMAT, body_of, offer_of, price_of

LINE = (
    b'{"data": {"origin": "JFK", "destination": "LAX", "departure_date": "2026-12-28",'
    b' "price": "306.85 EUR"}}\n'
)
# Written by the first version with format 2.
WRITTEN = LINE + b64decode(
    "ePleLWH2q8Yaxi4+yKHs4uoT4ogIasyQNaEgZM08DI1QgtYAT9C6+BgaGWMJX0tX5BD2cvPGEchGFiEG5lbGqIHs4xiBI5yB"
    "yoHhbGKENZwDSQpnAOBvYww="
)
OFFER = FlightOffer.model_validate(
    {
        "origin": "JFK",
        "destination": "LAX",
        "departure_date": dt.date(2026, 12, 28),
        "price": "306.85 EUR",
        "airline": {"code": "DL", "name": "DELTA AIR LINES"},
        "seats_left": 4,
        "book_by": "2026-12-01",
        "itineraries": [
            {
                "duration": "PT6H12M",
                "stops": 0,
                "segments": [
                    {
                        "flight": "DL123",
                        "operated_by": "9E",
                        "from": "JFK",
                        "departs": "2026-12-28T07:30:00",
                        "to": "LAX",
                        "arrives": "2026-12-28T10:42:00",
                        "aircraft": "32Q",
                        "cabin": "ECONOMY",
                        "checked_bags": 0,
                    }
                ],
            }
        ],
    }
)


def test_bodies_of_all_versions_with_this_format_are_equal_to_read() -> None:
    """If this fails, raise FORMAT and write the body anew."""
    body = body_of(OFFER)

    assert FORMAT == "2"
    assert price_of(body) == price_of(WRITTEN) == LINE
    assert offer_of(body) == offer_of(WRITTEN)
    assert b'"DELTA AIR LINES"' in offer_of(WRITTEN)


def test_offer_takes_less_room_than_its_price() -> None:
    rest = body_of(OFFER).removeprefix(LINE)

    assert len(rest) < len(LINE)
    assert len(rest) < len(zlib.compress(offer_of(WRITTEN).removeprefix(LINE[:-3]), 9)) / 2


@pytest.mark.parametrize("rest", [b"", b"not ours", zlib.compress(b"{}")[:2]], ids=repr)
def test_unreadable_offer_leaves_the_price(rest: bytes) -> None:
    assert offer_of(LINE + rest) == (
        LINE.removesuffix(b"}}\n")
        + b', "airline": null, "seats_left": null, "book_by": null, "itineraries": []}}\n'
    )
