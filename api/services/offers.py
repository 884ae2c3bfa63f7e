"""Reads what an offer of Amadeus shows (docs/amadeus.md, section "Answer").

Only the price is needed. Every other part may be missing or malformed: the types of `FlightOffer`
make it null, and a list that is too long counts as malformed, so that no entry becomes large.
"""

import re
from typing import Final

from api.models import FlightOffer, Itinerary, PriceQuery, Segment, format_price
from api.services.fares import Fare

MAX_ITINERARIES: Final = 2
MAX_SEGMENTS: Final = 9  # in an itinerary, by the specification
_FLIGHT: Final = re.compile("[0-9A-Z]{2,3} [0-9]{1,4}[A-Z]?")


def read_offer(query: PriceQuery, fare: Fare, offer: object, dictionaries: object) -> FlightOffer:
    """Return an offer of Amadeus. dictionaries: its answer's, which have the airline's name."""
    airline = _at(offer, "validatingAirlineCodes", 0)
    fare_details = {
        id_: detail
        for detail in _list(
            _at(offer, "travelerPricings", 0, "fareDetailsBySegment"),
            MAX_ITINERARIES * MAX_SEGMENTS,
        )
        if isinstance(id_ := _at(detail, "segmentId"), str)
    }
    return FlightOffer(
        origin=query.origin,
        destination=query.destination,
        departure_date=query.date,
        price=format_price(fare.amount, fare.currency),
        airline={"code": airline, "name": _at(dictionaries, "carriers", airline)},
        seats_left=_at(offer, "numberOfBookableSeats"),
        book_by=_at(offer, "lastTicketingDate"),
        itineraries=[
            _itinerary(itinerary, fare_details)
            for itinerary in _list(_at(offer, "itineraries"), MAX_ITINERARIES)
        ],
    )


def _itinerary(itinerary: object, fare_details: dict[str, object]) -> Itinerary:
    segments = _list(_at(itinerary, "segments"), MAX_SEGMENTS)
    return Itinerary(
        duration=_at(itinerary, "duration"),
        stops=_stops(segments),
        segments=[_segment(segment, fare_details) for segment in segments],
    )


def _stops(segments: list[object]) -> int | None:
    """Return the changes of plane and the technical stops; None if any of them is unknown."""
    technical = [_at(segment, "numberOfStops") for segment in segments]
    known = [stops for stops in technical if type(stops) is int and stops >= 0]
    is_known = segments and len(known) == len(segments)
    return len(segments) - 1 + sum(known) if is_known else None


def _segment(segment: object, fare_details: dict[str, object]) -> Segment:
    fare_detail = _at(fare_details, _at(segment, "id"))
    return Segment(
        flight=_flight(_at(segment, "carrierCode"), _at(segment, "number")),
        operated_by=_at(segment, "operating", "carrierCode"),
        from_=_at(segment, "departure", "iataCode"),
        departs=_at(segment, "departure", "at"),
        to=_at(segment, "arrival", "iataCode"),
        arrives=_at(segment, "arrival", "at"),
        aircraft=_at(segment, "aircraft", "code"),
        cabin=_at(fare_detail, "cabin"),
        checked_bags=_at(fare_detail, "includedCheckedBags", "quantity"),
    )


def _flight(carrier: object, number: object) -> str | None:
    is_text = isinstance(carrier, str) and isinstance(number, str)
    is_flight = is_text and _FLIGHT.fullmatch(f"{carrier} {number}")
    return f"{carrier}{number}" if is_flight else None


def _at(document: object, *path: object) -> object:
    """Return the value at a path of names and positions; None if there is none."""
    for step in path:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
            document = document[step]
        else:
            return None
    return document


def _list(value: object, max_length: int) -> list[object]:
    return value if isinstance(value, list) and len(value) <= max_length else []
