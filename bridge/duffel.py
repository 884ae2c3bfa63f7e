"""Duffel (duffel.com): the requests of a search, and what to do when one fails.

A search takes two requests, and only the first is billed: one makes Duffel search, one lists the
cheapest offers. There is no parameter for the currency: offers are in that of the account.
"""

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
from bridge.duffel_offers import read_offer
from bridge.duffel_requests import refusals, request_for
from bridge.errors import Blame, CallFailed, ProviderError, translated
from bridge.filters import cheapest, fulfils
from bridge.offers import Offer
from bridge.reading import (
    at,
    items,
    readable,
    seconds_to_wait,
)
from bridge.refusals import refuse
from bridge.render import render
from protocol.request.search import Search
from protocol.roles import Found

BASE_URL = "https://api.duffel.com"

_TOKEN = re.compile(r"duffel_(test|live)_[0-9A-Za-z_-]{1,200}")
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
        refuse(search, refusals(search))
        with translated(search):
            offers = self._offers(search, Deadline(self._seconds))
        return render(cheapest(offers, search), search)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _offers(self, search: Search, deadline: Deadline) -> list[Offer]:
        body = {"data": request_for(search)}
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
    offers = readable(lambda raw: read_offer(raw, search), deadline.pace(data))
    if data and not offers:
        raise CallFailed("no offer can be read")
    fulfilling = [offer for offer in offers if fulfils(offer, search)]
    return fulfilling, after if isinstance(after, str) else None


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
