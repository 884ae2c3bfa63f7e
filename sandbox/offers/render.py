"""Renders offers as `FlightOffer` objects of the official OpenAPI file."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any

from sandbox.offers.itineraries import Departure, Itinerary, local
from sandbox.offers.pricing import Offer
from sandbox.offers.tariff import Fares
from sandbox.request.search import Search
from sandbox.world.airlines import AIRCRAFT, AIRLINES
from sandbox.world.airports import Airport

# An offer can be ticketed for this long after the search.
_TICKETING_DAYS = 3
_MAX_TERMINALS = 5
_BUSY = 2


class _Renderer:
    """The renderer of one answer. It numbers the segments and collects the dictionaries."""

    def __init__(self, search: Search, today: dt.date, fares: Fares) -> None:
        self._search = search
        self._fares = fares
        self._currency = search.currency
        self._until = today.toordinal() + _TICKETING_DAYS
        self._segments = 0
        self._carriers: dict[str, str] = {}
        self._aircraft: dict[str, str] = {}
        self._locations: dict[str, dict[str, str]] = {}

    def offer(self, number: int, offer: Offer) -> dict[str, Any]:
        first_segment = self._segments + 1
        itineraries = [self._itinerary(one) for one in offer.journey.itineraries]
        segments = [str(n) for n in range(first_segment, self._segments + 1)]
        until = dt.date.fromordinal(min(self._until, offer.journey.itineraries[0].day))
        return {
            "type": "flight-offer",
            "id": str(number),
            "source": "GDS",
            "instantTicketingRequired": False,
            "nonHomogeneous": False,
            "oneWay": False,
            "lastTicketingDate": until.isoformat(),
            "numberOfBookableSeats": min(map(self._fares.seats, offer.journey.itineraries)),
            "itineraries": itineraries,
            "price": self._price(offer),
            "pricingOptions": {
                "fareType": ["PUBLISHED"],
                "includedCheckedBagsOnly": offer.product.bags > 0,
            },
            "validatingAirlineCodes": [offer.journey.carrier],
            "travelerPricings": self._travelers(offer, segments),
        }

    def dictionaries(self) -> dict[str, Any]:
        return {
            "locations": self._locations,
            "aircraft": self._aircraft,
            "currencies": {self._currency.code: self._currency.name},
            "carriers": self._carriers,
        }

    def _itinerary(self, itinerary: Itinerary) -> dict[str, Any]:
        return {
            "duration": duration(itinerary.seconds // 60),
            "segments": [self._segment(one, itinerary.shift) for one in itinerary.departures],
        }

    def _segment(self, departure: Departure, shift: int) -> dict[str, Any]:
        flight = departure.flight
        self._segments += 1
        self._aircraft[flight.aircraft] = AIRCRAFT[flight.aircraft]
        for code in (flight.carrier, flight.operator):
            self._carriers[code] = AIRLINES[code].name
        return {
            "departure": self._end(flight.origin, departure.leaves + shift, flight.carrier),
            "arrival": self._end(flight.destination, departure.arrives + shift, flight.carrier),
            "carrierCode": flight.carrier,
            "number": flight.number,
            "aircraft": {"code": flight.aircraft},
            "operating": {"carrierCode": flight.operator},
            "duration": duration(flight.block),
            "id": str(self._segments),
            "numberOfStops": 0,
            "blacklistedInEU": False,
        }

    def _end(self, airport: Airport, moment: int, carrier: str) -> dict[str, str]:
        code = airport.code
        if code not in self._locations:
            self._locations[code] = {"cityCode": airport.city, "countryCode": airport.country}
        end = {"iataCode": code}
        if airport.rank >= _BUSY:
            end["terminal"] = _terminal(code, carrier)
        end["at"] = local(moment, airport).replace(tzinfo=None).isoformat()
        return end

    def _price(self, offer: Offer) -> dict[str, Any]:
        format_amount = self._currency.format
        people = [offer.amounts[traveler.type] for traveler in self._search.travelers]
        return {
            "currency": self._currency.code,
            "total": format_amount(offer.total),
            "base": format_amount(sum(amount.base for amount in people)),
            "fees": [
                {"amount": format_amount(0), "type": "SUPPLIER"},
                {"amount": format_amount(offer.fee), "type": "TICKETING"},
            ],
            "grandTotal": format_amount(offer.grand_total),
        }

    def _travelers(self, offer: Offer, segments: list[str]) -> list[dict[str, Any]]:
        format_amount = self._currency.format
        details = [self._fare_details(offer, segment) for segment in segments]
        pricings = []
        for traveler in self._search.travelers:
            amounts = offer.amounts[traveler.type]
            pricing = {
                "travelerId": traveler.id,
                "fareOption": "STANDARD",
                "travelerType": traveler.type,
                "price": {
                    "currency": self._currency.code,
                    "total": format_amount(amounts.total),
                    "base": format_amount(amounts.base),
                },
                "fareDetailsBySegment": details,
            }
            if traveler.adult_id is not None:
                pricing["associatedAdultId"] = traveler.adult_id
            pricings.append(pricing)
        return pricings

    def _fare_details(self, offer: Offer, segment: str) -> dict[str, Any]:
        trip = "RT" if len(self._search.directions) > 1 else "OW"
        return {
            "segmentId": segment,
            "cabin": offer.product.cabin,
            "fareBasis": f"{offer.product.letter}{trip}{offer.journey.carrier}",
            "brandedFare": offer.product.name,
            "class": offer.product.letter,
            "includedCheckedBags": {"quantity": offer.product.bags},
        }


def render(offers: Sequence[Offer], search: Search, today: dt.date, fares: Fares) -> dict[str, Any]:
    """Return the body of an answer."""
    renderer = _Renderer(search, today, fares)
    data = [renderer.offer(number, offer) for number, offer in enumerate(offers, 1)]
    body: dict[str, Any] = {"meta": {"count": len(data)}, "data": data}
    if data:
        body["dictionaries"] = renderer.dictionaries()
    return body


@cache
def _terminal(code: str, carrier: str) -> str:
    return str(1 + sum(map(ord, code + carrier)) % _MAX_TERMINALS)


@cache
def duration(minutes: int) -> str:
    """Return a duration in ISO 8601, like `PT2H10M`."""
    hours, rest = divmod(minutes, 60)
    return "PT" + (f"{hours}H" if hours else "") + (f"{rest}M" if rest or not hours else "")
