"""Duffel (duffel.com): turns a search into its requests, and its answers into offers.

A search takes two requests, and only the first is billed: one makes Duffel search, one lists the
cheapest offers. There is no parameter for the currency: offers are in that of the account.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2
import orjson
from cachetools import TTLCache

from bridge.client import Client, Deadline, Reply
from bridge.errors import CallFailed, ProviderError, system_error
from bridge.filters import fulfils, quick_enough
from bridge.offers import Fare, Itinerary, Offer, Place, Segment, Stop
from bridge.reading import amount, at, day, items, local_time, minutes, text
from bridge.refusals import refusal, refusals
from bridge.render import render
from protocol.errors import AmadeusError, InvalidSearch
from protocol.request.search import Cabin, Direction, Search, TravelerType
from protocol.roles import Found

BASE_URL = "https://api.duffel.com"

_TOKEN = re.compile(r"duffel_(test|live)_[0-9A-Za-z_-]{1,200}")
_CODE = re.compile("[A-Z]{3}")
_AIRLINE = re.compile("[0-9A-Z]{2}")
_NUMBER = re.compile("0*([0-9]{1,4}[A-Z]?)")
_AIRCRAFT = re.compile("[0-9A-Z]{3}")
_COUNTRY = re.compile("[A-Z]{2}")
_SLICE = re.compile(r"slices/([0-9])\b")

# Duffel ends its search so long before our deadline, to leave time for the list of offers.
_SECONDS_FOR_LIST = 4.0
_SUPPLIER_TIMEOUTS = (2_000, 20_000)  # milliseconds
_PAGE = 50
_MAX_PAGE = 200
_MAX_PAGES = 3
_LISTABLE_SECONDS = 60.0
_PAUSE_SECONDS = 10.0
_MAX_REMEMBERED = 1_000
_MANY = 100  # more checked bags than anybody has
# After one of these statuses Duffel must not be asked again.
_BROKEN = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY}
_BUSY = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}

# Ages on the day of the last slice.
_PASSENGERS: dict[TravelerType, dict[str, str | int]] = {
    "ADULT": {"type": "adult"},
    "SENIOR": {"type": "adult"},
    "YOUNG": {"type": "adult"},
    "STUDENT": {"type": "adult"},
    "CHILD": {"age": 8},
    "HELD_INFANT": {"age": 1},
}
_CABINS: dict[str, Cabin] = {
    "economy": "ECONOMY",
    "premium_economy": "PREMIUM_ECONOMY",
    "business": "BUSINESS",
    "first": "FIRST",
}
_STATUSES = {
    "authentication_error": 401,
    "rate_limit_error": 429,
    "validation_error": 422,
    "invalid_request_error": 400,
}


class Duffel:
    """The offers of Duffel. Safe to share between threads.

    Raises ValueError, which does not show the token, if the token is malformed.
    """

    def __init__(
        self,
        access_token: str,
        connections: httpx2.BaseTransport,
        *,
        base_url: str = BASE_URL,
        seconds: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _TOKEN.fullmatch(access_token):
            raise ValueError("An access token of Duffel begins with duffel_test_ or duffel_live_.")
        headers = {"Authorization": f"Bearer {access_token}", "Duffel-Version": "v2"}
        self._client = Client(base_url, headers, connections)
        self._seconds = seconds
        supplier = int((seconds - _SECONDS_FOR_LIST) * 1000)
        shortest, longest = _SUPPLIER_TIMEOUTS
        self._supplier_timeout = str(min(max(supplier, shortest), longest))
        self._lock = threading.Lock()
        # By search: the request whose offers are still to be listed, and the recent failures.
        self._unlisted: TTLCache[bytes, str] = TTLCache(
            _MAX_REMEMBERED, _LISTABLE_SECONDS, timer=monotonic
        )
        self._broken: TTLCache[bytes, bool] = TTLCache(
            _MAX_REMEMBERED, _PAUSE_SECONDS, timer=monotonic
        )

    def find(self, search: Search) -> Found:
        """Return the cheapest offers for a search.

        Raises InvalidSearch or AmadeusError.
        """
        errors = [*refusals(search), *_refusals(search)]
        if errors:
            raise InvalidSearch(errors)
        body = {"data": _request(search)}
        key = orjson.dumps(body)
        with self._lock:
            if key in self._broken:
                raise system_error()
        try:
            offers = self._offers(search, body, key, Deadline(self._seconds))
        except CallFailed:
            raise system_error() from None
        except ProviderError as error:
            if error.status in _BROKEN:
                with self._lock:
                    self._broken[key] = True
            raise _blamed(error, search) or error.as_amadeus() from None
        return render(offers, search)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _offers(
        self, search: Search, body: dict[str, Any], key: bytes, deadline: Deadline
    ) -> list[Offer]:
        with self._lock:
            request_id = self._unlisted.get(key)
        if request_id is None:
            request_id = self._ask(body, deadline)
            with self._lock:
                self._unlisted[key] = request_id
        found: list[Offer] = []
        seen = readable = 0
        try:
            for page in self._pages(request_id, search, deadline):
                offers = [offer for one in page if (offer := _offer(one, search)) is not None]
                found += [offer for offer in offers if fulfils(offer, search)]
                seen, readable = seen + len(page), readable + len(offers)
                if len(found) >= search.max_offers:
                    break
        except ProviderError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                self._forget(key)
            raise
        self._forget(key)
        if seen and not readable:
            raise CallFailed("no offer can be read")
        _check_currency(found, search)
        cheap = [offer for offer in found if _is_affordable(offer, search)]
        return sorted(quick_enough(cheap, search), key=lambda one: one.total)[: search.max_offers]

    def _forget(self, key: bytes) -> None:
        with self._lock:
            self._unlisted.pop(key, None)

    def _ask(self, body: dict[str, Any], deadline: Deadline) -> str:
        params = {"return_offers": "false", "supplier_timeout": self._supplier_timeout}
        data = self._call("POST", "/air/offer_requests", deadline, params, body).get("data")
        request_id = data.get("id") if isinstance(data, dict) else None
        if not isinstance(request_id, str):
            raise CallFailed("the answer has no id")
        return request_id

    def _pages(self, request_id: str, search: Search, deadline: Deadline) -> Iterator[list[Any]]:
        limit = min(max(search.max_offers, _PAGE), _MAX_PAGE)
        params = {
            "offer_request_id": request_id,
            "sort": "total_amount",
            "limit": str(limit),
        }
        for _ in range(_MAX_PAGES):
            content = self._list(params, deadline)
            data, meta = content.get("data"), content.get("meta")
            if not isinstance(data, list):
                raise CallFailed("the answer has no list of offers")
            yield data
            after = meta.get("after") if isinstance(meta, dict) else None
            if not isinstance(after, str):
                return
            params["after"] = after

    def _list(self, params: Mapping[str, str], deadline: Deadline) -> dict[str, Any]:
        """List offers. A failure is repeated once, because the search has been paid for."""
        try:
            return self._call("GET", "/air/offers", deadline, params)
        except CallFailed as error:
            if not error.may_repeat:
                raise
        except ProviderError as error:
            if error.status not in _BUSY:
                raise
        return self._call("GET", "/air/offers", deadline, params)

    def _call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        params: Mapping[str, str],
        body: object = None,
    ) -> dict[str, Any]:
        reply = self._client.send(method, path, deadline, params=params, body=body)
        details = reply.content.get("errors")
        if reply.status < HTTPStatus.BAD_REQUEST and not details:
            return reply.content
        details = [one for one in items(details) if isinstance(one, dict)]
        raise ProviderError(_status(reply, details), _retry_after(reply.headers), details)


def _refusals(search: Search) -> list[AmadeusError]:
    errors = [
        refusal(search, "not supported by Duffel", pointer=f"/travelers/{number}/travelerType")
        for number, traveler in enumerate(search.travelers)
        if traveler.type not in _PASSENGERS
    ]
    if len({direction.cabin for direction in search.directions}) > 1:
        pointer = "/searchCriteria/flightFilters/cabinRestrictions"
        errors.append(refusal(search, "not supported for some directions only", pointer=pointer))
    return errors


def _request(search: Search) -> dict[str, Any]:
    request: dict[str, Any] = {
        "slices": [_slice(direction) for direction in search.directions],
        "passengers": [_PASSENGERS[traveler.type] for traveler in search.travelers],
        "max_connections": search.max_changes,
    }
    cabin = search.directions[0].cabin
    if cabin is not None:
        request["cabin_class"] = cabin.lower()
    return request


def _slice(direction: Direction) -> dict[str, Any]:
    return {
        "origin": direction.origins[0],
        "destination": direction.destinations[0],
        "departure_date": direction.date.isoformat(),
        "departure_time": _times(direction.minutes),
        "arrival_time": _times(direction.arrival.minutes if direction.arrival else None),
    }


def _times(window: tuple[int, int] | None) -> dict[str, str] | None:
    if window is None:
        return None
    first, last = (min(one, 24 * 60 - 1) for one in window)
    return {
        "from": f"{first // 60:02}:{first % 60:02}",
        "to": f"{last // 60:02}:{last % 60:02}",
    }


def _check_currency(offers: list[Offer], search: Search) -> None:
    """Raise InvalidSearch if a maximum price is in another currency than the offers."""
    if search.max_price is None or search.currency is None:
        return
    others = {offer.currency for offer in offers} - {search.currency.code}
    if others:
        detail = f"the offers are in {min(others)}"
        pointer = "/searchCriteria/maxPrice"
        raise InvalidSearch([refusal(search, detail, parameter="maxPrice", pointer=pointer)])


def _is_affordable(offer: Offer, search: Search) -> bool:
    limit = search.max_price
    return limit is None or offer.total <= limit * len(search.travelers)


def _offer(raw: Any, search: Search) -> Offer | None:
    """Read an offer; None if it lacks what every offer of Amadeus has."""
    currency = text(at(raw, "total_currency"), _CODE)
    total = amount(at(raw, "total_amount"), currency or "")
    fares = _Passengers(raw, search)
    itineraries = [_itinerary(one, fares) for one in items(at(raw, "slices"))]
    ways = tuple(one for one in itineraries if one is not None)
    if not total or currency is None or len(ways) != len(search.directions):
        return None
    base_currency = at(raw, "base_currency")
    base = amount(at(raw, "base_amount"), currency) if base_currency == currency else None
    due, instant = (
        at(raw, "payment_requirements", name)
        for name in ("payment_required_by", "requires_instant_payment")
    )
    owner = at(raw, "owner")
    segments = [part for one in items(at(raw, "slices")) for part in items(at(one, "segments"))]
    airlines = [owner, *(at(one, "marketing_carrier") for one in segments)]
    airlines += [at(one, "operating_carrier") for one in segments]
    refund = _conditions(raw, "refund_before_departure")
    change = _conditions(raw, "change_before_departure")
    return Offer(
        total=total,
        currency=currency,
        itineraries=ways,
        base=base,
        airline=text(at(owner, "iata_code"), _AIRLINE),
        book_by=day(due) or day(at(raw, "expires_at")),
        instant_ticketing=instant if isinstance(instant, bool) else None,
        refundable=refund is not None,
        free_to_change=refund == change == 0,
        carriers=_names(airlines, _AIRLINE),
        aircraft=_names([at(one, "aircraft") for one in segments], _AIRCRAFT),
    )


def _conditions(raw: Any, name: str) -> float | None:
    """Return the penalty of a refund or change; infinity if unknown, None if it is not allowed."""
    if at(raw, "conditions", name, "allowed") is not True:
        return None
    penalty = amount(at(raw, "conditions", name, "penalty_amount"), "")
    return math.inf if penalty is None else float(penalty)


class _Passengers:
    """The fares of the travellers of one offer, in their order."""

    def __init__(self, raw: Any, search: Search) -> None:
        left = items(at(raw, "passengers"))
        self._ids: list[object] = []
        for traveler in search.travelers:
            wanted = _PASSENGERS[traveler.type]
            found = next((one for one in left if _is_passenger(one, wanted)), None)
            if found is not None:
                left = [one for one in left if one is not found]
            self._ids.append(at(found, "id"))

    def fares(self, segment: Any) -> tuple[Fare, ...]:
        passengers = {
            id_: one
            for one in items(at(segment, "passengers"))
            if isinstance(id_ := at(one, "passenger_id"), str)
        }
        return tuple(
            _fare(passengers.get(id_)) if isinstance(id_, str) else Fare() for id_ in self._ids
        )


def _is_passenger(raw: Any, wanted: dict[str, str | int]) -> bool:
    age = at(raw, "age")
    return age == wanted["age"] if "age" in wanted else age is None


def _fare(raw: Any) -> Fare:
    cabin, basis = at(raw, "cabin_class"), at(raw, "fare_basis_code")
    bags = items(at(raw, "baggages"))
    numbers = [at(bag, "quantity") for bag in bags if at(bag, "type") == "checked"]
    # An empty list means that the airline does not say.
    is_known = bags and all(type(number) is int and 0 <= number < _MANY for number in numbers)
    return Fare(
        cabin=_CABINS.get(cabin) if isinstance(cabin, str) else None,
        checked_bags=sum(numbers) if is_known else None,
        basis=basis if isinstance(basis, str) else None,
    )


def _itinerary(raw: Any, passengers: _Passengers) -> Itinerary | None:
    segments = [_segment(one, passengers) for one in items(at(raw, "segments"))]
    known = tuple(one for one in segments if one is not None)
    if not known or len(known) < len(segments):
        return None
    brand = at(raw, "fare_brand_name")
    return Itinerary(
        known, minutes(at(raw, "duration")), brand if brand and isinstance(brand, str) else None
    )


def _segment(raw: Any, passengers: _Passengers) -> Segment | None:
    origin = _place(at(raw, "origin"), at(raw, "origin_terminal"))
    destination = _place(at(raw, "destination"), at(raw, "destination_terminal"))
    departs, arrives = local_time(at(raw, "departing_at")), local_time(at(raw, "arriving_at"))
    carrier = text(at(raw, "marketing_carrier", "iata_code"), _AIRLINE)
    if not (origin and destination and departs and arrives and carrier):
        return None
    raw_stops = at(raw, "stops")
    stops = [_stop(one) for one in items(raw_stops)]
    known_stops = tuple(one for one in stops if one is not None)
    stops_are_known = isinstance(raw_stops, list) and len(known_stops) == len(stops)
    return Segment(
        origin=origin,
        destination=destination,
        departs=departs,
        arrives=arrives,
        carrier=carrier,
        number=text(at(raw, "marketing_carrier_flight_number"), _NUMBER),
        operator=text(at(raw, "operating_carrier", "iata_code"), _AIRLINE),
        aircraft=text(at(raw, "aircraft", "iata_code"), _AIRCRAFT),
        minutes=minutes(at(raw, "duration")),
        stops=known_stops if stops_are_known else None,
        fares=passengers.fares(raw),
    )


def _stop(raw: Any) -> Stop | None:
    place = _place(at(raw, "airport"), None)
    arrives, departs = local_time(at(raw, "arriving_at")), local_time(at(raw, "departing_at"))
    if not (place and arrives and departs) or departs < arrives:
        return None
    return Stop(place, arrives, departs)


def _place(raw: Any, terminal: Any) -> Place | None:
    code = text(at(raw, "iata_code"), _CODE)
    if code is None:
        return None
    return Place(
        code,
        text(at(raw, "iata_city_code"), _CODE),
        text(at(raw, "iata_country_code"), _COUNTRY),
        terminal if terminal and isinstance(terminal, str) else None,
    )


def _names(raw: list[Any], pattern: re.Pattern[str]) -> dict[str, str]:
    return {
        code: name
        for one in raw
        if (code := text(at(one, "iata_code"), pattern))
        and (name := at(one, "name"))
        and isinstance(name, str)
    }


def _status(reply: Reply, details: list[dict[str, Any]]) -> int:
    """Return the status of an error, which may come in an answer that says 200."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return reply.status
    kind = details[0].get("type") if details else None
    return _STATUSES.get(kind, 500) if isinstance(kind, str) else 500


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the seconds until the rate limit's window ends, by Duffel's clock."""
    try:
        reset = parsedate_to_datetime(headers["ratelimit-reset"])
        seconds = (reset - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return max(1, math.ceil(seconds))


def _blamed(error: ProviderError, search: Search) -> AmadeusError | None:
    """Return the error for a place or a date that Duffel refuses; None for other errors."""
    if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return None
    for detail in error.details:
        source = detail.get("source")
        found = _SLICE.search(str(at(source, "pointer")))
        number = int(found[1]) if found else 0
        match at(source, "field"):
            case "origin" | "destination" as end:
                return _blame_place(search, number, end)
            case "departure_date":
                return _blame_date(search, number)
    return None


def _blame_place(search: Search, number: int, end: str) -> AmadeusError:
    name = f"{end}LocationCode"
    detail = "unknown city or airport code"
    if search.posted:
        return AmadeusError(4926, detail, pointer=f"/originDestinations/{number}/{name}")
    if number == 1:  # the way back, whose ends are swapped
        name = "originLocationCode" if end == "destination" else "destinationLocationCode"
    return AmadeusError(4926, detail, parameter=name)


def _blame_date(search: Search, number: int) -> AmadeusError:
    if search.posted:
        place = f"/originDestinations/{number}/departureDateTimeRange/date"
        return AmadeusError(425, pointer=place)
    return AmadeusError(425, parameter="returnDate" if number == 1 else "departureDate")
