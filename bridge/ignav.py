"""Ignav (ignav.com): turns a search into its requests, and its answers into offers.

Ignav knows airports and no cities, so a search for a city takes one request for each of its
airports. The market, a country, decides the currency of the offers.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import copy_context
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import gevent
import httpx2
import orjson
from cachetools import TTLCache

from bridge.client import Client, Deadline, Observer, Reply
from bridge.errors import Blame, CallFailed, ProviderError, blamed, translated
from bridge.filters import cheapest, fulfils
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
    readable,
    seconds_to_wait,
    text,
    whole,
)
from bridge.refusals import refusal, refuse
from bridge.render import render
from protocol.errors import AmadeusError
from protocol.reference.airports import Airports
from protocol.reference.currencies import Currency
from protocol.request.search import Direction, Search, TravelerType
from protocol.roles import Found

BASE_URL = "https://ignav.com"
MAX_CALLS = 6

_KEY = re.compile("[!-~]+")
_FIELD = re.compile(r"(?:legs\W*([0-3])\W+)?(origin|destination|departure_date|return_date|market)")

# 450 journeys of twelve flights, or 3,900 of one. Six answers may be in memory at once.
_MAX_BYTES = 3_000_000
_MAX_DIRECTIONS = 4
_MAX_TRAVELERS = 9
_LAST_HOUR = 23
# Enough for a client to repeat a failed search, and too short for a price to change.
_KEPT_SECONDS = 90.0  # longer than a pause of a minute after a 429
_MAX_KEPT = 100

_COUNTS: dict[TravelerType, str] = {
    "ADULT": "adults",
    "SENIOR": "adults",
    "YOUNG": "adults",
    "STUDENT": "adults",
    "CHILD": "children",
    "SEATED_INFANT": "infants_in_seat",
    "HELD_INFANT": "infants_on_lap",
}


class Ignav:
    """The offers of Ignav. Safe to share between threads.

    Raises ValueError, which does not show the key, if the key cannot be sent in a header.
    """

    def __init__(
        self,
        api_key: str,
        connections: httpx2.BaseTransport,
        *,
        base_url: str = BASE_URL,
        seconds: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
        observe: Observer = lambda _: None,
    ) -> None:
        if not _KEY.fullmatch(api_key):
            raise ValueError("An API key of Ignav has only visible ASCII characters.")
        self._client = Client(
            base_url,
            {"X-Api-Key": api_key},
            connections,
            observe,
            max_bytes=_MAX_BYTES,
            parse=_with_decimals,
        )
        self._seconds = seconds
        self._airports = Airports()
        self._lock = threading.Lock()
        # By search and airports: offers that are paid for, until the whole search has succeeded.
        self._kept: TTLCache[Hashable, list[Offer]] = TTLCache(
            _MAX_KEPT, _KEPT_SECONDS, timer=monotonic
        )

    def find(self, search: Search) -> Found:
        """Return the cheapest offers for a search.

        Raises InvalidSearch or AmadeusError.
        """
        refuse(search, _refusals(search))
        with translated(search):
            offers = self._offers(search, Deadline(self._seconds))
        return render(cheapest(offers, search), search)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _offers(self, search: Search, deadline: Deadline) -> list[Offer]:
        """Ask for all pairs of airports side by side, until the deadline at the latest."""
        journeys = self._journeys(search)
        # With a copy of the context, an observer knows for which request a call is made.
        calls = [
            gevent.spawn(copy_context().run, self._outcome, search, one, deadline)
            for one in journeys
        ]
        try:
            # Calls go on if one has failed: they are paid for, and the next search needs them.
            gevent.joinall(calls)
        finally:
            gevent.killall(calls)
        outcomes: list[list[Offer] | Exception] = [call.get() for call in calls]
        answers = [one for one in outcomes if isinstance(one, list)]
        for one in outcomes:
            # Without the offers of one airport, the cheapest of the others may not be the cheapest
            # of the city.
            if isinstance(one, Exception) and not (answers and _is_place_refused(one)):
                raise one
        with self._lock:
            for airports in journeys:
                self._kept.pop(_key(search, airports), None)
        return [offer for answer in answers for offer in answer]

    def _outcome(
        self, search: Search, airports: dict[str, str], deadline: Deadline
    ) -> list[Offer] | Exception:
        key = _key(search, airports)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        try:
            path, body = _request(search, airports)
            offers = self._client.send(
                "POST", path, deadline, lambda reply: self._read(reply, search, deadline), body=body
            )
        # gevent would print an exception that ends a greenlet, and so perhaps the key.
        except Exception as error:  # noqa: BLE001 - the search raises it
            return error
        with self._lock:
            self._kept[key] = offers
        return offers

    def _journeys(self, search: Search) -> list[dict[str, str]]:
        """Return which airports to ask for in place of the codes of the search, busiest first."""
        codes = [code for one in search.directions for code in _ends(one)]
        journeys: list[tuple[int, dict[str, str]]] = [(0, {})]
        for code in dict.fromkeys(codes):
            wider = [
                (rank + airport.rank, chosen | {code: airport.code})
                for rank, chosen in journeys
                for airport in self._airports.airports_of(code)
            ]
            journeys = sorted(wider, key=lambda one: -one[0])[:MAX_CALLS]
        return [
            chosen
            for _, chosen in journeys
            if all(len({chosen[code] for code in _ends(one)}) > 1 for one in search.directions)
        ]

    def _read(self, reply: Reply, search: Search, deadline: Deadline) -> list[Offer]:
        if reply.status >= HTTPStatus.BAD_REQUEST:
            error = reply.content.get("error")
            raise ProviderError(
                reply.status,
                at(error, "type"),
                at(error, "code"),
                retry_after=seconds_to_wait(reply.status, reply.headers, "retry-after"),
                blame=_blame(error),
            )
        itineraries = reply.content.get("itineraries")
        if not isinstance(itineraries, list):
            raise CallFailed("the answer has no list of itineraries")
        usable = [one for one in itineraries if _is_usable(one)]
        offers = readable(lambda raw: self._offer(raw, search), deadline.pace(usable))
        if usable and not offers:
            raise CallFailed("no offer can be read")
        return [offer for offer in deadline.pace(offers) if fulfils(offer, search)]

    def _offer(self, raw: Any, search: Search) -> Offer:
        """Read an offer. Raises Unreadable if it lacks what every offer of Amadeus has."""
        currency = needed(text(at(raw, "price", "currency"), CURRENCY))
        legs = items(at(raw, "legs")) or [at(raw, "outbound"), at(raw, "inbound")]
        legs = [leg for leg in legs if leg is not None]
        needed(len(legs) == len(search.directions))
        names = dict(_names(legs))
        fares = _fares(raw, search)
        ways = tuple(self._itinerary(leg, names, fares) for leg in legs)
        airlines = {segment.carrier for way in ways for segment in way.segments}
        return Offer(
            total=needed(amount(at(raw, "price", "amount"), currency)),
            currency=currency,
            itineraries=ways,
            airline=airlines.pop() if len(airlines) == 1 else None,
            carriers=names,
        )

    def _itinerary(self, raw: Any, names: dict[str, str], fares: tuple[Fare, ...]) -> Itinerary:
        segments = [self._segment(one, names, fares) for one in items(at(raw, "segments"))]
        return Itinerary(needed(tuple(segments)), whole(at(raw, "duration_minutes")) or None)

    def _segment(self, raw: Any, names: dict[str, str], fares: tuple[Fare, ...]) -> Segment:
        carrier = needed(text(at(raw, "marketing_carrier_code"), AIRLINE))
        operator = at(raw, "operating_carrier_name")
        return Segment(
            origin=self._place(at(raw, "departure_airport")),
            destination=self._place(at(raw, "arrival_airport")),
            departs=needed(local_time(at(raw, "departure_time_local"))),
            arrives=needed(local_time(at(raw, "arrival_time_local"))),
            carrier=carrier,
            number=text(at(raw, "flight_number"), FLIGHT_NUMBER),
            operator=carrier if operator and operator == names.get(carrier) else None,
            minutes=whole(at(raw, "duration_minutes")) or None,
            fares=fares,
        )

    def _place(self, raw: Any) -> Place:
        code = needed(text(raw, PLACE))
        try:
            known = self._airports.airport(code)
        except KeyError:
            return Place(code, None, None)
        return Place(code, known.city, known.country)


def _key(search: Search, airports: dict[str, str]) -> Hashable:
    return search, tuple(airports.items())


def _ends(direction: Direction) -> tuple[str, str]:
    return direction.origins[0], direction.destinations[0]


def _is_place_refused(failure: Exception) -> bool:
    blame = failure.blame if isinstance(failure, ProviderError) else None
    return blame is not None and blame.part in {"origin", "destination"}


def _with_decimals(body: bytearray) -> Any:
    """Read JSON with each amount as its text says, since Ignav writes amounts as numbers."""
    orjson.loads(body)  # stricter, but it reads numbers as floats
    return json.loads(body, parse_float=Decimal)


def _refusals(search: Search) -> Iterator[AmadeusError]:
    counts = _counts(search)
    if len(search.directions) > _MAX_DIRECTIONS:
        detail = f"at most {_MAX_DIRECTIONS} directions"
        yield refusal(search, detail, pointer="/originDestinations")
    if not counts["adults"]:
        yield refusal(search, "at least one adult", pointer="/travelers")
    if len(search.travelers) > _MAX_TRAVELERS:
        detail = f"at most {_MAX_TRAVELERS} travelers, held infants included"
        yield refusal(search, detail, parameter="infants", pointer="/travelers")
    if search.refundable or search.free_to_change:
        pointer = "/searchCriteria/pricingOptions"
        yield refusal(search, "Ignav does not say what can be refunded", pointer=pointer)
    if search.branded:
        pointer = "/searchCriteria/additionalInformation/brandedFares"
        yield refusal(search, "Ignav does not name branded fares", pointer=pointer)
    if search.currency is not None and _market(search.currency) is None:
        yield blamed(Blame("currency"), search)
    if not search.technical_stops and search.max_changes:
        pointer = "/searchCriteria/flightFilters/connectionRestriction/technicalStopsAllowed"
        yield refusal(search, "Ignav does not say where a flight stops", pointer=pointer)


def _request(search: Search, airports: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the request for these airports."""
    request: dict[str, Any] = {
        **_counts(search),
        "cabin_class": (search.directions[0].cabin or "ECONOMY").lower(),
        "allow_self_transfer": False,
    }
    if search.currency is not None and (market := _market(search.currency)):
        request["market"] = market
    if search.included:
        request["airlines_include"] = sorted(search.included)
    if search.excluded:
        request["airlines_exclude"] = sorted(search.excluded)
    if search.checked_bags:
        request["min_checked_bags"] = 1
    legs = [_leg(direction, airports, search.max_changes) for direction in search.directions]
    if len(legs) == 1:
        return "/api/fares/one-way", request | legs[0]
    there, *others = map(_ends, search.directions)
    if others != [there[::-1]]:
        return "/api/fares/search", request | {"legs": legs}
    request |= legs[0] | {"return_date": legs[1]["departure_date"]}
    if times := legs[1].get("departure_time_range"):
        request["return_time_range"] = times
    return "/api/fares/round-trip", request


def _counts(search: Search) -> dict[str, int]:
    counts = dict.fromkeys(_COUNTS.values(), 0)
    for traveler in search.travelers:
        counts[_COUNTS[traveler.type]] += 1
    return counts


def _market(currency: Currency) -> str | None:
    """Return a country that has this currency, which begins with the country's code.

    None for currencies of several countries, whose codes begin with X.
    """
    if currency.code == "EUR":
        return "DE"
    return None if currency.code.startswith("X") else currency.code[:2]


def _leg(direction: Direction, airports: dict[str, str], max_changes: int) -> dict[str, Any]:
    origin, destination = _ends(direction)
    leg = {
        "origin": airports[origin],
        "destination": airports[destination],
        "departure_date": direction.date.isoformat(),
        "max_stops": max_changes,
    }
    arrival = direction.arrival.minutes if direction.arrival else None
    times = _hours("", direction.minutes) | _hours("arrival_", arrival)
    return leg | ({"departure_time_range": times} if times else {})


def _hours(prefix: str, window: tuple[int, int] | None) -> dict[str, int]:
    """Return hours that include the whole window; `fulfils` compares the minutes."""
    if window is None:
        return {}
    earliest, latest = window[0] // 60, -(-window[1] // 60)
    hours = {f"{prefix}earliest_hour": min(earliest, _LAST_HOUR)}
    return hours | ({f"{prefix}latest_hour": latest} if latest <= _LAST_HOUR else {})


def _is_usable(raw: Any) -> bool:
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


def _blame(error: Any) -> Blame | None:
    """Return the part of the search that Ignav refuses."""
    found = _FIELD.fullmatch(str(at(error, "field")))
    if found is None:
        return None
    number = int(found[1] or 0)
    match found[2]:
        case "origin" | "destination" as end:
            return Blame(end, number)
        case "market":
            return Blame("currency")
        case "return_date":
            return Blame("date", 1)
    return Blame("date", number)
