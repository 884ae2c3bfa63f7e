"""Reads an offer of Ignav."""

from collections.abc import Iterator
from typing import Any

from bridge.offers import Fare, Itinerary, Offer, Place, Segment
from bridge.reading import (
    AIRLINE,
    CURRENCY,
    FLIGHT_NUMBER,
    PLACE,
    WORDS,
    amount,
    at,
    cabin,
    items,
    local_time,
    needed,
    text,
    whole,
)
from protocol.reference.airports import Airports
from protocol.request.search import Search


def read_offer(raw: Any, search: Search, airports: Airports) -> Offer:
    """Read an offer. Raises Unreadable if it lacks what every offer of Amadeus has."""
    currency = needed(text(at(raw, "price", "currency"), CURRENCY))
    legs = items(at(raw, "legs")) or [at(raw, "outbound"), at(raw, "inbound")]
    legs = [leg for leg in legs if leg is not None]
    needed(len(legs) == len(search.directions))
    names = dict(_names(legs))
    fares = _fares(raw, search)
    ways = tuple(_itinerary(leg, names, fares, airports) for leg in legs)
    airlines = {segment.carrier for way in ways for segment in way.segments}
    return Offer(
        total=needed(amount(at(raw, "price", "amount"), currency)),
        currency=currency,
        itineraries=ways,
        airline=airlines.pop() if len(airlines) == 1 else None,
        carriers=names,
    )


def _itinerary(
    raw: Any, names: dict[str, str], fares: tuple[Fare, ...], airports: Airports
) -> Itinerary:
    segments = [_segment(one, names, fares, airports) for one in items(at(raw, "segments"))]
    return Itinerary(needed(tuple(segments)), whole(at(raw, "duration_minutes")) or None)


def _segment(
    raw: Any, names: dict[str, str], fares: tuple[Fare, ...], airports: Airports
) -> Segment:
    carrier = needed(text(at(raw, "marketing_carrier_code"), AIRLINE))
    operator = at(raw, "operating_carrier_name")
    return Segment(
        origin=_place(at(raw, "departure_airport"), airports),
        destination=_place(at(raw, "arrival_airport"), airports),
        departs=needed(local_time(at(raw, "departure_time_local"))),
        arrives=needed(local_time(at(raw, "arrival_time_local"))),
        carrier=carrier,
        number=text(at(raw, "flight_number"), FLIGHT_NUMBER),
        operator=carrier if operator and operator == names.get(carrier) else None,
        minutes=whole(at(raw, "duration_minutes")) or None,
        fares=fares,
    )


def _place(raw: Any, airports: Airports) -> Place:
    code = needed(text(raw, PLACE))
    try:
        known = airports.airport(code)
    except KeyError:
        return Place(code, None, None)
    return Place(code, known.city, known.country)


def is_usable(raw: Any) -> bool:
    """Return whether an itinerary can be bought as one, at the price that it has."""
    is_firm = at(raw, "price", "status") != "unverified"
    return is_firm and at(raw, "requires_self_transfer") is not True


def _names(legs: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the code and the name of the airline of each leg that has only one."""
    for leg in legs:
        segments = items(at(leg, "segments"))
        codes = {text(at(one, "marketing_carrier_code"), AIRLINE) for one in segments}
        code = codes.pop() if len(codes) == 1 else None
        name = text(at(leg, "carrier"), WORDS)
        if code and name:
            yield code, name


def _fares(raw: Any, search: Search) -> tuple[Fare, ...]:
    """Return what each traveller gets, the same on all segments."""
    seated = Fare(cabin(at(raw, "cabin_class")), whole(at(raw, "bags", "checked")))
    held = Fare(seated.cabin)
    return tuple(held if one.type == "HELD_INFANT" else seated for one in search.travelers)
