"""Reads an offer of Duffel."""

import math
import re
from typing import Any

from bridge.duffel_requests import PASSENGERS
from bridge.offers import Fare, Itinerary, Offer, Place, Segment, Stop
from bridge.reading import (
    AIRLINE,
    CURRENCY,
    FLIGHT_NUMBER,
    PLACE,
    WORDS,
    amount,
    at,
    cabin,
    day,
    items,
    local_time,
    minutes,
    needed,
    readable,
    text,
    whole,
)
from protocol.request.search import Search

_AIRCRAFT = re.compile("[0-9A-Z]{3}")
_COUNTRY = re.compile("[A-Z]{2}")


def read_offer(raw: Any, search: Search) -> Offer:
    """Read an offer. Raises Unreadable if it lacks what every offer of Amadeus has."""
    currency = needed(text(at(raw, "total_currency"), CURRENCY))
    slices, owner = items(at(raw, "slices")), at(raw, "owner")
    needed(len(slices) == len(search.directions))
    has_base = at(raw, "base_currency") == currency
    segments = [part for one in slices for part in items(at(one, "segments"))]
    sides = ("marketing_carrier", "operating_carrier")
    carriers = [owner, *(at(one, side) for one in segments for side in sides)]
    passengers = _passengers(items(at(raw, "passengers")), search)
    due = at(raw, "payment_requirements", "payment_required_by")
    instant = at(raw, "payment_requirements", "requires_instant_payment")
    refund = _penalty(raw, "refund_before_departure")
    change = _penalty(raw, "change_before_departure")
    return Offer(
        total=needed(amount(at(raw, "total_amount"), currency)),
        currency=currency,
        itineraries=tuple(_itinerary(one, passengers) for one in slices),
        base=amount(at(raw, "base_amount"), currency) if has_base else None,
        airline=text(at(owner, "iata_code"), AIRLINE),
        book_by=day(due) or day(at(raw, "expires_at")),
        instant_ticketing=instant if isinstance(instant, bool) else None,
        refundable=refund is not None,
        free_to_change=refund == change == 0,
        carriers=_names(carriers, AIRLINE),
        aircraft=_names([at(one, "aircraft") for one in segments], _AIRCRAFT),
    )


def _penalty(raw: Any, name: str) -> float | None:
    """Return the penalty of a refund or change; infinity if unknown, None if it is not allowed."""
    if at(raw, "conditions", name, "allowed") is not True:
        return None
    penalty = amount(at(raw, "conditions", name, "penalty_amount"), "")
    return math.inf if penalty is None else float(penalty)


def _passengers(left: list[Any], search: Search) -> list[str | None]:
    """Return the ids of the travellers, in their order."""
    ids = []
    for traveler in search.travelers:
        age = PASSENGERS[traveler.type].get("age")
        found = next((one for one in left if at(one, "age") == age), None)
        left = [one for one in left if one is not found]
        ids.append(text(at(found, "id"), WORDS))
    return ids


def _itinerary(raw: Any, passengers: list[str | None]) -> Itinerary:
    return Itinerary(
        needed(tuple(_segment(one, passengers) for one in items(at(raw, "segments")))),
        minutes(at(raw, "duration")),
        text(at(raw, "fare_brand_name"), WORDS),
    )


def _segment(raw: Any, passengers: list[str | None]) -> Segment:
    raw_stops = at(raw, "stops")
    stops = readable(_stop, items(raw_stops))
    fares = {str(at(one, "passenger_id")): _fare(one) for one in items(at(raw, "passengers"))}
    return Segment(
        origin=_place(at(raw, "origin"), at(raw, "origin_terminal")),
        destination=_place(at(raw, "destination"), at(raw, "destination_terminal")),
        departs=needed(local_time(at(raw, "departing_at"))),
        arrives=needed(local_time(at(raw, "arriving_at"))),
        carrier=needed(text(at(raw, "marketing_carrier", "iata_code"), AIRLINE)),
        number=text(at(raw, "marketing_carrier_flight_number"), FLIGHT_NUMBER),
        operator=text(at(raw, "operating_carrier", "iata_code"), AIRLINE),
        aircraft=text(at(raw, "aircraft", "iata_code"), _AIRCRAFT),
        minutes=minutes(at(raw, "duration")),
        stops=tuple(stops)
        if isinstance(raw_stops, list) and len(stops) == len(raw_stops)
        else None,
        fares=tuple(fares.get(id_ or "", Fare()) for id_ in passengers),
    )


def _fare(raw: Any) -> Fare:
    bags = items(at(raw, "baggages"))
    numbers = [whole(at(bag, "quantity")) for bag in bags if at(bag, "type") == "checked"]
    known = [number for number in numbers if number is not None]
    # An empty list means that the airline does not say.
    is_known = bags and len(known) == len(numbers)
    return Fare(
        cabin=cabin(at(raw, "cabin_class")),
        checked_bags=sum(known) if is_known else None,
        basis=text(at(raw, "fare_basis_code"), WORDS),
    )


def _stop(raw: Any) -> Stop:
    arrives = needed(local_time(at(raw, "arriving_at")))
    departs = needed(local_time(at(raw, "departing_at")))
    needed(arrives <= departs)
    return Stop(_place(at(raw, "airport"), None), arrives, departs)


def _place(raw: Any, terminal: Any) -> Place:
    return Place(
        needed(text(at(raw, "iata_code"), PLACE)),
        text(at(raw, "iata_city_code"), PLACE),
        text(at(raw, "iata_country_code"), _COUNTRY),
        text(terminal, WORDS),
    )


def _names(raw: list[Any], pattern: re.Pattern[str]) -> dict[str, str]:
    return {
        code: name
        for one in raw
        if (code := text(at(one, "iata_code"), pattern)) and (name := text(at(one, "name"), WORDS))
    }
