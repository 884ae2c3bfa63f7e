"""Ignav (ignav.com): the requests of a search, and what to do when one fails.

Ignav knows airports and no cities, so a search for a city takes one request for each of its
airports. The market, a country, decides the currency of the offers.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import gevent
import httpx2
import orjson
from cachetools import TTLCache

from bridge.client import Client, Deadline, Observer, Reply
from bridge.errors import Blame, CallFailed, ProviderError, translated
from bridge.filters import cheapest, fulfils
from bridge.ignav_offers import is_usable, read_offer
from bridge.ignav_requests import ends_of, refusals, request_for
from bridge.offers import Offer
from bridge.reading import (
    at,
    readable,
    seconds_to_wait,
)
from bridge.refusals import refuse
from bridge.render import render
from protocol.reference.airports import Airports
from protocol.request.search import Search
from protocol.roles import Found

BASE_URL = "https://ignav.com"
MAX_CALLS = 6

_KEY = re.compile("[!-~]+")
_FIELD = re.compile(r"(?:legs\W*([0-3])\W+)?(origin|destination|departure_date|return_date|market)")

# 450 journeys of twelve flights, or 3,900 of one. Six answers may be in memory at once.
_MAX_BYTES = 3_000_000
# Enough for a client to repeat a failed search, and too short for a price to change.
_KEPT_SECONDS = 90.0  # longer than a pause of a minute after a 429
_MAX_KEPT = 100


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
        refuse(search, refusals(search))
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
            path, body = request_for(search, airports)
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
        codes = [code for one in search.directions for code in ends_of(one)]
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
            if all(len({chosen[code] for code in ends_of(one)}) > 1 for one in search.directions)
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
        usable = [one for one in itineraries if is_usable(one)]
        offers = readable(
            lambda raw: read_offer(raw, search, self._airports), deadline.pace(usable)
        )
        if usable and not offers:
            raise CallFailed("no offer can be read")
        return [offer for offer in deadline.pace(offers) if fulfils(offer, search)]


def _key(search: Search, airports: dict[str, str]) -> Hashable:
    return search, tuple(airports.items())


def _is_place_refused(failure: Exception) -> bool:
    blame = failure.blame if isinstance(failure, ProviderError) else None
    return blame is not None and blame.part in {"origin", "destination"}


def _with_decimals(body: bytearray) -> Any:
    """Read JSON with each amount as its text says, since Ignav writes amounts as numbers."""
    orjson.loads(body)  # stricter, but it reads numbers as floats
    return json.loads(body, parse_float=Decimal)


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
