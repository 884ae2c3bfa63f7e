"""Renders offers as `FlightOffer` objects of Amadeus. What is not known stays out."""

import re
from collections.abc import Sequence
from typing import Any

from bridge.filters import has_checked_bags
from bridge.offers import Fare, Itinerary, Offer, Place, Segment, Stop
from protocol.reference.currencies import CURRENCIES
from protocol.request.search import Search, Traveler
from protocol.roles import Found

_FARE_BASIS = re.compile("[0-9A-Z]{1,18}")


def render(offers: Sequence[Offer], search: Search) -> Found:
    """Return the offers and dictionaries of an answer."""
    dictionaries: dict[str, dict[str, Any]] = {
        "locations": {},
        "aircraft": {},
        "currencies": {},
        "carriers": {},
    }
    for offer in offers:
        known = CURRENCIES.get(offer.currency)
        dictionaries["currencies"][offer.currency] = known.name if known else offer.currency
        dictionaries["carriers"] |= offer.carriers
        dictionaries["aircraft"] |= offer.aircraft
        for place in _places(offer):
            known_parts = {"cityCode": place.city, "countryCode": place.country}
            dictionaries["locations"][place.code] = _without_unknown(known_parts)
    rendered = [_offer(number, offer, search) for number, offer in enumerate(offers, 1)]
    return Found(rendered, {name: table for name, table in dictionaries.items() if table})


def _places(offer: Offer) -> list[Place]:
    segments = [segment for itinerary in offer.itineraries for segment in itinerary.segments]
    stops = [stop.place for segment in segments for stop in segment.stops or ()]
    return [place for one in segments for place in (one.origin, one.destination)] + stops


def _offer(number: int, offer: Offer, search: Search) -> dict[str, Any]:
    segments = [segment for itinerary in offer.itineraries for segment in itinerary.segments]
    brands = [itinerary.brand for itinerary in offer.itineraries for _ in itinerary.segments]
    ids = [str(id_) for id_ in range(1, len(segments) + 1)]
    next_id = iter(ids)
    total = format(offer.total, "f")
    return _without_unknown(
        {
            "type": "flight-offer",
            "id": str(number),
            "source": "GDS",
            "instantTicketingRequired": offer.instant_ticketing,
            "lastTicketingDate": offer.book_by.isoformat() if offer.book_by else None,
            "itineraries": [
                _itinerary(itinerary, [next(next_id) for _ in itinerary.segments])
                for itinerary in offer.itineraries
            ],
            "price": _price(offer) | {"grandTotal": total},
            "pricingOptions": {
                "fareType": ["PUBLISHED"],
                "includedCheckedBagsOnly": has_checked_bags(offer, search),
            },
            "validatingAirlineCodes": [offer.airline] if offer.airline else None,
            "travelerPricings": [
                _traveler(
                    traveler,
                    # A provider names the price of the whole party only.
                    _price(offer) if len(search.travelers) == 1 else None,
                    [
                        _fare(id_, segment.fares[place], brand)
                        for id_, segment, brand in zip(ids, segments, brands, strict=True)
                    ],
                )
                for place, traveler in enumerate(search.travelers)
            ],
        }
    )


def _price(offer: Offer) -> dict[str, Any]:
    return _without_unknown(
        {
            "currency": offer.currency,
            "total": format(offer.total, "f"),
            "base": None if offer.base is None else format(offer.base, "f"),
        }
    )


def _itinerary(itinerary: Itinerary, ids: list[str]) -> dict[str, Any]:
    segments = [
        _segment(id_, segment) for id_, segment in zip(ids, itinerary.segments, strict=True)
    ]
    return _without_unknown({"duration": _duration(itinerary.minutes), "segments": segments})


def _segment(id_: str, segment: Segment) -> dict[str, Any]:
    return _without_unknown(
        {
            "departure": _end(segment.origin) | {"at": segment.departs.isoformat()},
            "arrival": _end(segment.destination) | {"at": segment.arrives.isoformat()},
            "carrierCode": segment.carrier,
            "number": segment.number,
            "aircraft": {"code": segment.aircraft} if segment.aircraft else None,
            "operating": {"carrierCode": segment.operator} if segment.operator else None,
            "duration": _duration(segment.minutes),
            "id": id_,
            "numberOfStops": None if segment.stops is None else len(segment.stops),
            "stops": [_stop(stop) for stop in segment.stops] if segment.stops else None,
        }
    )


def _end(place: Place) -> dict[str, str]:
    return _without_unknown({"iataCode": place.code, "terminal": place.terminal})


def _stop(stop: Stop) -> dict[str, Any]:
    return {
        "iataCode": stop.place.code,
        "duration": _duration(int((stop.departs - stop.arrives).total_seconds()) // 60),
        "arrivalAt": stop.arrives.isoformat(),
        "departureAt": stop.departs.isoformat(),
    }


def _traveler(
    traveler: Traveler, price: dict[str, Any] | None, fares: list[dict[str, Any]]
) -> dict[str, Any]:
    return _without_unknown(
        {
            "travelerId": traveler.id,
            "fareOption": "STANDARD",
            "travelerType": traveler.type,
            "associatedAdultId": traveler.adult_id,
            "price": price,
            "fareDetailsBySegment": fares,
        }
    )


def _fare(segment_id: str, fare: Fare, brand: str | None) -> dict[str, Any]:
    bags = None if fare.checked_bags is None else {"quantity": fare.checked_bags}
    return _without_unknown(
        {
            "segmentId": segment_id,
            "cabin": fare.cabin,
            "fareBasis": fare.basis if _FARE_BASIS.fullmatch(fare.basis or "") else None,
            "brandedFare": brand,
            "includedCheckedBags": bags,
        }
    )


def _duration(minutes: int | None) -> str | None:
    if minutes is None:
        return None
    hours, rest = divmod(minutes, 60)
    return "PT" + (f"{hours}H" if hours else "") + (f"{rest}M" if rest or not hours else "")


def _without_unknown(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}
