"""Duffel (duffel.com): turns a search into its requests, and its answers into offers.

A search takes two requests, and only the first is billed: one makes Duffel search, one lists the
cheapest offers. There is no parameter for the currency: offers are in that of the account.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
import orjson
from cachetools import TTLCache

from bridge.client import Client, Deadline, Observer, Reply
from bridge.errors import Blame, CallFailed, ProviderError, translated
from bridge.filters import cheapest, fulfils
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
    seconds_to_wait,
    text,
    whole,
)
from bridge.refusals import refusal, refuse
from bridge.render import render
from protocol.errors import AmadeusError
from protocol.request.search import Direction, Search, TravelerType
from protocol.roles import Found

BASE_URL = "https://api.duffel.com"

_TOKEN = re.compile(r"duffel_(test|live)_[0-9A-Za-z_-]{1,200}")
_AIRCRAFT = re.compile("[0-9A-Z]{3}")
_COUNTRY = re.compile("[A-Z]{2}")
_SLICE = re.compile(r"slices/([0-9])\b")

# Duffel ends its search so long before our deadline, to leave time for the list of offers.
_SECONDS_FOR_LIST = 4.0
_SUPPLIER_TIMEOUTS = (2_000, 20_000)  # milliseconds
# 200 offers for nine travellers on six flights take 7.2 MB.
_MAX_BYTES = 10_000_000
_PAGE = 50
_MAX_PAGE = 200
_MAX_PAGES = 6
# Longer than the window of Duffel's rate limit, which is a minute.
_LISTABLE_SECONDS = 120.0
_PAUSE_SECONDS = 10.0
_MAX_REMEMBERED = 1_000
# After one of these statuses Duffel must not be asked again at once.
_BROKEN = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY}
# The request whose offers are to be listed is of no use any more.
_LOST = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
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
_STATUSES = {
    "authentication_error": 401,
    "rate_limit_error": 429,
    "validation_error": 422,
    "invalid_request_error": 400,
}

T = TypeVar("T")


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
        observe: Observer = lambda _: None,
    ) -> None:
        if not _TOKEN.fullmatch(access_token):
            raise ValueError("An access token of Duffel begins with duffel_test_ or duffel_live_.")
        headers = {"Authorization": f"Bearer {access_token}", "Duffel-Version": "v2"}
        self._client = Client(base_url, headers, connections, observe, max_bytes=_MAX_BYTES)
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
        refuse(search, _refusals(search))
        with translated(search):
            offers = self._offers(search, Deadline(self._seconds))
        return render(cheapest(offers, search), search)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _offers(self, search: Search, deadline: Deadline) -> list[Offer]:
        body = {"data": _request(search)}
        key = orjson.dumps(body)
        with self._lock:
            if key in self._broken:
                raise CallFailed("Duffel must not be asked again yet")
            request_id = self._unlisted.get(key)
        try:
            if request_id is None:
                request_id = self._ask(body, deadline)
                with self._lock:
                    self._unlisted[key] = request_id
            offers = self._listed(request_id, search, deadline)
        except CallFailed as error:
            # Duffel may have charged for a search whose answer was lost.
            if request_id is None and not error.may_repeat:
                with self._lock:
                    self._broken[key] = True
            raise
        except ProviderError as error:
            with self._lock:
                if error.status in _BROKEN:
                    self._broken[key] = True
                is_lost = request_id is not None and error.status in _LOST
                if is_lost:
                    self._unlisted.pop(key, None)
            if is_lost:  # not the search is refused, but the list
                raise CallFailed("the list of offers is refused") from None
            raise
        with self._lock:
            self._unlisted.pop(key, None)
        return offers

    def _listed(self, request_id: str, search: Search, deadline: Deadline) -> list[Offer]:
        """Return offers that fulfil the search: enough, or all of the first pages.

        Raises CallFailed if these have none and there are more pages.
        """
        params = {
            "offer_request_id": request_id,
            "sort": "total_amount",
            "limit": str(min(max(search.max_offers, _PAGE), _MAX_PAGE)),
        }
        found: list[Offer] = []
        for number in range(1, _MAX_PAGES + 1):
            is_needed = number == _MAX_PAGES and not found
            offers, after = self._list(search, params, deadline, is_needed=is_needed)
            found += offers
            if after is None or len(found) >= search.max_offers:
                break
            params["after"] = after
        return found

    def _ask(self, body: dict[str, Any], deadline: Deadline) -> str:
        params = {"return_offers": "false", "supplier_timeout": self._supplier_timeout}
        return self._call("POST", "/air/offer_requests", deadline, _request_id, params, body)

    def _list(
        self, search: Search, params: Mapping[str, str], deadline: Deadline, *, is_needed: bool
    ) -> tuple[list[Offer], str | None]:
        """Return the offers of a page that fulfil the search, and where the next page begins.

        is_needed: whether the search fails if there is none, although there are more pages. A
        failure is repeated once, because the search has been paid for.
        """

        def read(content: dict[str, Any]) -> tuple[list[Offer], str | None]:
            offers, after = _page(content, search, deadline)
            if is_needed and after is not None and not offers:
                raise CallFailed("none of the cheapest offers fulfils the search")
            return offers, after

        try:
            return self._call("GET", "/air/offers", deadline, read, params)
        except CallFailed as error:
            if not error.may_repeat:
                raise
        except ProviderError as error:
            if error.status not in _BUSY:
                raise
        return self._call("GET", "/air/offers", deadline, read, params)

    def _call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        read: Callable[[dict[str, Any]], T],
        params: Mapping[str, str],
        body: object = None,
    ) -> T:
        return self._client.send(
            method,
            path,
            deadline,
            lambda reply: read(_successful(reply)),
            params=params,
            body=body,
        )


def _refusals(search: Search) -> list[AmadeusError]:
    return [
        refusal(search, "not supported by Duffel", pointer=f"/travelers/{number}/travelerType")
        for number, traveler in enumerate(search.travelers)
        if traveler.type not in _PASSENGERS
    ]


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


def _successful(reply: Reply) -> dict[str, Any]:
    errors = items(reply.content.get("errors"))
    if reply.status < HTTPStatus.BAD_REQUEST and not errors:
        return reply.content
    first = next(iter(errors), None)
    status = _status(reply, errors)
    raise ProviderError(
        status,
        at(first, "type"),
        at(first, "code"),
        retry_after=seconds_to_wait(status, reply.headers, "ratelimit-reset", "retry-after"),
        blame=next(filter(None, map(_blame, errors)), None),
    )


def _request_id(content: dict[str, Any]) -> str:
    request_id = at(content, "data", "id")
    if not isinstance(request_id, str):
        raise CallFailed("the answer has no id")
    return request_id


def _page(
    content: dict[str, Any], search: Search, deadline: Deadline
) -> tuple[list[Offer], str | None]:
    """Return the offers of a page that fulfil the search, and where the next page begins."""
    data, after = content.get("data"), at(content, "meta", "after")
    if not isinstance(data, list):
        raise CallFailed("the answer has no list of offers")
    offers = readable(lambda raw: _offer(raw, search), deadline.pace(data))
    if data and not offers:
        raise CallFailed("no offer can be read")
    fulfilling = [offer for offer in offers if fulfils(offer, search)]
    return fulfilling, after if isinstance(after, str) else None


def _offer(raw: Any, search: Search) -> Offer:
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
        age = _PASSENGERS[traveler.type].get("age")
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


def _status(reply: Reply, errors: list[Any]) -> int:
    """Return the status of an error, which may come in an answer that says 200."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return reply.status
    return _STATUSES.get(str(at(errors[0], "type")), 500)


def _blame(error: Any) -> Blame | None:
    """Return the place or the date that Duffel refuses."""
    found = _SLICE.search(str(at(error, "source", "pointer")))
    number = int(found[1]) if found else 0
    match at(error, "source", "field"):
        case "origin" | "destination" as end:
            return Blame(end, number)
        case "departure_date":
            return Blame("date", number)
    return None
