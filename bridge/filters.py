"""Drops offers that do not fulfil conditions which the provider's request cannot express."""

import datetime as dt

from bridge.errors import system_error
from bridge.offers import Itinerary, Offer
from bridge.refusals import refusal
from protocol.errors import InvalidSearch
from protocol.request.search import CABINS, Cabin, Direction, Search


def fulfils(offer: Offer, search: Search) -> bool:
    """Return whether an offer fulfils all conditions of a search but those of `cheapest`."""
    ways = list(zip(offer.itineraries, search.directions, strict=True))
    return (
        all(_fulfils_direction(itinerary, direction, search) for itinerary, direction in ways)
        and _has_allowed_airlines(offer, search)
        and (search.technical_stops or _has_no_stops(offer))
        and all(len(one.segments) - 1 <= search.max_changes for one in offer.itineraries)
        and (not search.checked_bags or has_checked_bags(offer, search))
        and (not search.refundable or offer.refundable)
        and (not search.free_to_change or offer.free_to_change)
        and (not search.same_airport or _returns(offer))
    )


def cheapest(offers: list[Offer], search: Search) -> list[Offer]:
    """Return the wanted number of offers, cheapest first, within the limits of price and time.

    Only amounts in one currency are compared: offers in the requested currency come first, and
    then those in the currency of the first offer. Of offers at the same price, those nearest to
    the preferred times come first.

    Raises InvalidSearch if the maximum price is in another currency than the offers, and
    AmadeusError if it is not known how long any of them takes.
    """
    _check_currency(offers, search)
    within = _quick_enough([one for one in offers if _is_affordable(one, search)], search)
    wanted = [search.currency.code] if search.currency else []
    currencies = list(dict.fromkeys(wanted + [one.currency for one in offers]))
    within.sort(
        key=lambda one: (currencies.index(one.currency), one.total, _minutes_off(one, search))
    )
    return within[: search.max_offers]


def _minutes_off(offer: Offer, search: Search) -> int:
    """Return how far an offer is from the preferred times of a search."""
    off = 0
    for itinerary, direction in zip(offer.itineraries, search.directions, strict=True):
        off += _distance(itinerary.segments[0].departs, direction.near)
        if direction.arrival is not None:
            off += _distance(itinerary.segments[-1].arrives, direction.arrival.near)
    return off


def _distance(at: dt.datetime, near: int | None) -> int:
    return 0 if near is None else abs(at.hour * 60 + at.minute - near)


def _check_currency(offers: list[Offer], search: Search) -> None:
    if search.max_price is None:
        return
    currencies = sorted({offer.currency for offer in offers})
    if len(currencies) > 1 or (search.currency and {*currencies} - {search.currency.code}):
        detail = f"the offers are in {' and '.join(currencies)}"
        pointer = "/searchCriteria/maxPrice"
        raise InvalidSearch([refusal(search, detail, parameter="maxPrice", pointer=pointer)])


def _is_affordable(offer: Offer, search: Search) -> bool:
    limit = search.max_price
    return limit is None or offer.total <= limit * len(search.travelers)


def _quick_enough(offers: list[Offer], search: Search) -> list[Offer]:
    """Return the offers that are known to take at most the allowed share of the shortest time."""
    if search.max_time_percent is None:
        return offers
    for number in range(len(search.directions)):
        times = [(offer, offer.itineraries[number].minutes) for offer in offers]
        known = [(offer, minutes) for offer, minutes in times if minutes is not None]
        if offers and not known:
            # The shortest of them is within the limit, so no offers would be a wrong answer.
            raise system_error()
        limit = min((minutes for _, minutes in known), default=0) * search.max_time_percent / 100
        offers = [offer for offer, minutes in known if minutes <= limit]
    return offers


def has_checked_bags(offer: Offer, search: Search) -> bool:
    """Return whether each traveller with a seat has a checked bag on each segment."""
    return all(
        bool(fare.checked_bags)
        for itinerary in offer.itineraries
        for segment in itinerary.segments
        for fare, traveler in zip(segment.fares, search.travelers, strict=True)
        if traveler.type != "HELD_INFANT"
    )


def _fulfils_direction(itinerary: Itinerary, direction: Direction, search: Search) -> bool:
    first, last = itinerary.segments[0], itinerary.segments[-1]
    stations = [segment.destination for segment in itinerary.segments[:-1]]
    changes = {code for one in stations for code in (one.code, one.city)}
    earliest, latest = direction.minutes or (0, 24 * 60)
    return (
        earliest <= first.departs.hour * 60 + first.departs.minute <= latest
        and (direction.arrival is None or direction.arrival.contains(last.arrives))
        and (not direction.via or bool(changes & direction.via))
        and not changes & direction.not_via
        and (direction.cabin is None or _mostly_in(itinerary, direction.cabin, search))
    )


def _mostly_in(itinerary: Itinerary, cabin: Cabin, search: Search) -> bool:
    """Return whether most of the flight time is spent in this cabin or a higher one.

    An unnamed cabin counts as this one, because the provider was asked for it. Held infants have
    no seat, so they do not count.
    """
    known = all(segment.minutes is not None for segment in itinerary.segments)
    weights = [(segment.minutes or 1) if known else 1 for segment in itinerary.segments]
    inside = [
        weight
        for weight, segment in zip(weights, itinerary.segments, strict=True)
        if all(
            CABINS.index(fare.cabin or cabin) >= CABINS.index(cabin)
            for fare, traveler in zip(segment.fares, search.travelers, strict=True)
            if traveler.type != "HELD_INFANT"
        )
    ]
    return sum(inside) * 2 > sum(weights)


def _has_allowed_airlines(offer: Offer, search: Search) -> bool:
    segments = [segment for itinerary in offer.itineraries for segment in itinerary.segments]
    if search.included and not all(segment.carrier in search.included for segment in segments):
        return False
    return not any({segment.carrier, segment.operator} & search.excluded for segment in segments)


def _has_no_stops(offer: Offer) -> bool:
    # A provider that does not say whether a flight stops is taken to mean that it does not.
    return not any(segment.stops for one in offer.itineraries for segment in one.segments)


def _returns(offer: Offer) -> bool:
    first, last = offer.itineraries[0].segments[0], offer.itineraries[-1].segments[-1]
    return first.origin.code == last.destination.code
