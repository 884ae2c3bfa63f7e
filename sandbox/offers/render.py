"""Renders offers as `FlightOffer` objects of the official OpenAPI file."""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from protocol.reference.airports import Airport
from protocol.request.search import Search
from protocol.roles import Found
from sandbox.offers.itineraries import Departure, Itinerary, local
from sandbox.offers.pricing import Offer, currency_of
from sandbox.offers.tariff import Fares, bags
from sandbox.world.airlines import AIRCRAFT, AIRLINES, BAGS_BY_WEIGHT
from sandbox.world.network import Stop

_FAR_DAYS = 30
_MAX_TERMINALS = 5
_BUSY = 2
# The weight of so many checked bags, for airlines that do not count them.
_KG = {1: 25, 2: 35, 3: 50}


class _Renderer:
    """The renderer of one answer. It numbers the segments and collects the dictionaries."""

    def __init__(self, search: Search, today: dt.date, fares: Fares) -> None:
        self._search = search
        self._fares = fares
        self._currency = currency_of(search)
        self._today = today.toordinal()
        self._segments = 0
        # Most flights are part of many offers.
        self._flights: dict[tuple[str, int], dict[str, Any]] = {}
        self._carriers: dict[str, str] = {}
        self._aircraft: dict[str, str] = {}
        self._locations: dict[str, dict[str, str]] = {}

    def offer(self, number: int, offer: Offer) -> dict[str, Any]:
        first_segment = self._segments + 1
        itineraries = [self._itinerary(one) for one in offer.journey.itineraries]
        segments = map(str, range(first_segment, self._segments + 1))
        carriers = [one.carrier for one in offer.journey.itineraries]
        return {
            "type": "flight-offer",
            "id": str(number),
            "source": "GDS",
            "instantTicketingRequired": False,
            "nonHomogeneous": False,
            "oneWay": False,
            "lastTicketingDate": self._last_day(offer).isoformat(),
            "numberOfBookableSeats": min(map(self._fares.seats, offer.journey.itineraries)),
            "itineraries": itineraries,
            "price": self._price(offer),
            "pricingOptions": {
                "fareType": ["PUBLISHED"],
                "includedCheckedBagsOnly": all(bags(offer.product, one) for one in carriers),
            },
            "validatingAirlineCodes": [offer.journey.carrier],
            "travelerPricings": self._travelers(offer, list(self._fare_details(offer, segments))),
        }

    def _last_day(self, offer: Offer) -> dt.date:
        departure, days = offer.journey.itineraries[0].day, offer.product.days
        if departure - self._today > _FAR_DAYS:
            days *= 2
        return dt.date.fromordinal(min(self._today + days, departure))

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
        self._segments += 1
        key = departure.flight.name, departure.leaves + shift
        if key not in self._flights:
            self._flights[key] = self._flight(departure, shift)
        return {**self._flights[key], "id": str(self._segments)}

    def _flight(self, departure: Departure, shift: int) -> dict[str, Any]:
        """Render all of a segment but its id."""
        flight = departure.flight
        self._aircraft[flight.aircraft] = AIRCRAFT[flight.aircraft]
        for code in (flight.carrier, flight.operator):
            self._carriers[code] = AIRLINES[code].name
        stops = [self._stop(flight.stop, departure.leaves + shift)] if flight.stop else []
        return {
            "departure": self._end(flight.origin, departure.leaves + shift, flight.carrier),
            "arrival": self._end(flight.destination, departure.arrives + shift, flight.carrier),
            "carrierCode": flight.carrier,
            "number": flight.number,
            "aircraft": {"code": flight.aircraft},
            "operating": {"carrierCode": flight.operator},
            "duration": duration(flight.block),
            "id": "",
            "numberOfStops": len(stops),
            **({"stops": stops} if stops else {}),
            "blacklistedInEU": False,
        }

    def _stop(self, stop: Stop, leaves: int) -> dict[str, str]:
        """Render a stop of a flight that leaves at this moment."""
        arrives = leaves + stop.after * 60
        return {
            "iataCode": self._code(stop.airport),
            "duration": duration(stop.minutes),
            "arrivalAt": _at(stop.airport, arrives),
            "departureAt": _at(stop.airport, arrives + stop.minutes * 60),
        }

    def _end(self, airport: Airport, moment: int, carrier: str) -> dict[str, str]:
        end = {"iataCode": self._code(airport)}
        if airport.rank >= _BUSY:
            end["terminal"] = _terminal(airport.code, carrier)
        end["at"] = _at(airport, moment)
        return end

    def _code(self, airport: Airport) -> str:
        code = airport.code
        if code not in self._locations:
            self._locations[code] = {"cityCode": airport.city, "countryCode": airport.country}
        return code

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

    def _travelers(self, offer: Offer, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
        format_amount = self._currency.format
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

    def _fare_details(self, offer: Offer, segments: Iterator[str]) -> Iterator[dict[str, Any]]:
        product = offer.product
        trip = "RT" if len(self._search.directions) > 1 else "OW"
        for itinerary in offer.journey.itineraries:
            number = bags(product, itinerary.carrier)
            by_weight = itinerary.carrier in BAGS_BY_WEIGHT
            for _ in itinerary.departures:
                yield {
                    "segmentId": next(segments),
                    "cabin": product.cabin,
                    "fareBasis": f"{product.letter}{trip}{offer.journey.carrier}",
                    "brandedFare": product.name,
                    "class": product.letter,
                    "includedCheckedBags": {"weight": _KG[number], "weightUnit": "KG"}
                    if by_weight
                    else {"quantity": number},
                }


def render(offers: Sequence[Offer], search: Search, today: dt.date, fares: Fares) -> Found:
    """Return the offers and dictionaries of an answer."""
    renderer = _Renderer(search, today, fares)
    data = [renderer.offer(number, offer) for number, offer in enumerate(offers, 1)]
    return Found(data, renderer.dictionaries())


def _at(airport: Airport, moment: int) -> str:
    return local(moment, airport).replace(tzinfo=None).isoformat()


@cache
def _terminal(code: str, carrier: str) -> str:
    return str(1 + sum(map(ord, code + carrier)) % _MAX_TERMINALS)


@cache
def duration(minutes: int) -> str:
    """Return a duration in ISO 8601, like `PT2H10M`."""
    hours, rest = divmod(minutes, 60)
    return "PT" + (f"{hours}H" if hours else "") + (f"{rest}M" if rest or not hours else "")
