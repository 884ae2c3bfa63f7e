"""The body of a cached price: the price as one line of JSON, then the rest of its offer.

One body holds both, so a price and its offer can never disagree. The line is what /flights/price
sends. Only /flights/offer reads the rest, which is compressed.
"""

import json
import zlib
from functools import lru_cache
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from api.models import FlightOffer, FlightPrice

# A part of the cache key. Raise it whenever another version would read a body wrongly: versions
# share a Redis during a roll-out.
FORMAT: Final = "2"
# The body of an entry for a search without offers.
NO_OFFERS: Final = b""
# The compression refers to this text instead of repeating it in each body.
_DICTIONARY: Final = (
    b'{"airline": {"code": "", "name": " AIR LINES AIRLINES AIRWAYS"}, "seats_left": 9, "book_by":'
    b' "2026-12-01", "itineraries": [{"duration": "PT1H5M", "stops": 1, "segments": [{"flight": "",'
    b' "operated_by": "", "from": "", "departs": "2026-12-01T10:00:00", "to": "", "arrives":'
    b' "2026-12-01T10:00:00", "aircraft": "320", "cabin": "ECONOMY", "checked_bags": 0}]}]}'
)
_UNKNOWN: Final = b'{"airline": null, "seats_left": null, "book_by": null, "itineraries": []}'
_END: Final = b"}}\n"


def body_of(offer: FlightOffer) -> bytes:
    """Return the body of an entry."""
    rest = offer.model_dump(mode="json", by_alias=True)
    price = {name: rest.pop(name) for name in FlightPrice.model_fields}
    deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zdict=_DICTIONARY)
    compressed = deflate.compress(json.dumps(rest).encode()) + deflate.flush()
    return json.dumps({"data": price}).encode() + b"\n" + compressed


class _Document(BaseModel):
    data: FlightPrice


@lru_cache(maxsize=4096)
def is_readable(body: bytes) -> bool:
    """Return whether `body_of` can have written this body, or it is NO_OFFERS.

    Any client of Redis can write under our keys.
    """
    try:
        return not body or bool(_Document.model_validate_json(price_of(body)))
    except ValidationError:
        return False


# Kept, because the ETag of the same object is found faster.
@lru_cache(maxsize=4096)
def price_of(body: bytes) -> bytes:
    """Return the document of /flights/price. body: readable, and not NO_OFFERS."""
    return body[: body.find(b"\n") + 1]


def amount_of(body: bytes) -> str:
    """Return the price alone, with its currency. body: as for `price_of`."""
    price: str = orjson.loads(price_of(body))["data"]["price"]
    return price


def offer_of(body: bytes) -> bytes:
    """Return the document of /flights/offer. body: as for `price_of`."""
    price = price_of(body)
    try:
        rest = zlib.decompressobj(zdict=_DICTIONARY).decompress(body[len(price) :])
    except zlib.error:  # something else wrote to our key in Redis
        rest = b""
    return price.removesuffix(_END) + b", " + (rest or _UNKNOWN)[1:] + _END[1:]
