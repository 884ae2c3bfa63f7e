"""Parses the query of `GET /v2/shopping/flight-offers` as its OpenAPI file specifies.

One answer reports all errors.
"""

import datetime as dt
import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qs

from protocol.errors import AmadeusError, InvalidSearch
from protocol.reference.airports import Airports
from protocol.reference.currencies import CURRENCIES, Currency
from protocol.request.search import (
    CABINS,
    MAX_CHANGES,
    MAX_DAYS_AHEAD,
    MAX_OFFERS,
    MAX_SEATS,
    Cabin,
    Direction,
    Search,
    Traveler,
)

_CODE = re.compile(r"[A-Z]{3}")
_AIRLINE = re.compile(r"[0-9A-Z]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[0-9]{1,100}")
_MAX_AIRLINES = 99

_NAMES = (
    "originLocationCode", "destinationLocationCode", "departureDate", "returnDate", "adults",
    "children", "infants", "travelClass", "includedAirlineCodes", "excludedAirlineCodes",
    "nonStop", "currencyCode", "maxPrice", "max",
)  # fmt: skip
_REQUIRED = ("originLocationCode", "destinationLocationCode", "departureDate", "adults")

NO_AIRLINES: frozenset[str] = frozenset()

T = TypeVar("T")


def search_from_query(query: str, now: float, airports: Airports) -> Search:
    """Parse a query string; `now` is in seconds since the epoch.

    Raises InvalidSearch with all errors.
    """
    return _Query(query, now, airports).search()


def dates_allowed(now: float) -> tuple[dt.date, dt.date]:
    """Return the first and the last valid date, in time zones from UTC-12 to UTC+14."""
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    first = (today - dt.timedelta(hours=12)).date()
    last = (today + dt.timedelta(hours=14)).date() + dt.timedelta(days=MAX_DAYS_AHEAD)
    return first, last


class _Query:
    def __init__(self, query: str, now: float, airports: Airports) -> None:
        self._values = parse_qs(query, keep_blank_values=True)
        self._first, self._last = dates_allowed(now)
        self._airports = airports
        self._errors: list[AmadeusError] = []

    def search(self) -> Search:
        for name in _NAMES:
            if len(self._values.get(name, ())) > 1:
                self._add_error(10661, "the parameter occurs more than once", name)
        for name in _REQUIRED:
            if name not in self._values:
                self._add_error(32171, "missing mandatory query parameter", name)
        if self._errors:
            raise InvalidSearch(self._errors)

        origin = self._read("originLocationCode", self._location, "")
        destination = self._read("destinationLocationCode", self._location, "")
        departure_date = self._read("departureDate", self._date, None)
        return_date = self._read("returnDate", self._date, None)
        counts = [
            self._read("adults", _whole_number(1, MAX_SEATS), 1),
            self._read("children", _whole_number(0, MAX_SEATS), 0),
            self._read("infants", _whole_number(0, MAX_SEATS), 0),
        ]
        cabin: Cabin | None = self._read("travelClass", _cabin, None)
        currency = self._read("currencyCode", _currency, None)
        included = self._read("includedAirlineCodes", _airlines, NO_AIRLINES)
        excluded = self._read("excludedAirlineCodes", _airlines, NO_AIRLINES)
        non_stop = self._read("nonStop", _flag, default=False)
        max_price = self._read("maxPrice", _whole_number(1), None)
        max_offers = self._read("max", _whole_number(1), MAX_OFFERS)

        self._check_combinations(counts, departure_date, return_date)
        if self._errors or departure_date is None:
            raise InvalidSearch(self._errors)
        directions = [Direction("1", (origin,), (destination,), departure_date, cabin)]
        if return_date is not None:
            directions.append(Direction("2", (destination,), (origin,), return_date, cabin))
        return Search(
            directions=tuple(directions),
            travelers=_travelers(*counts),
            currency=currency,
            max_offers=min(max_offers, MAX_OFFERS),
            max_changes=0 if non_stop else MAX_CHANGES,
            technical_stops=not non_stop,
            included=included,
            excluded=excluded,
            max_price=max_price,
            ignored=tuple(name for name in self._values if name not in _NAMES),
        )

    def _check_combinations(
        self, counts: list[int], departure_date: dt.date | None, return_date: dt.date | None
    ) -> None:
        adults, children, infants = counts
        if adults + children > MAX_SEATS:
            self._add_error(10661, f"at most {MAX_SEATS} seated travelers", "children")
        if infants > adults:
            self._add_error(2668, "more infants than adults", "infants")
        if departure_date and return_date and return_date < departure_date:
            self._add_error(425, "the return is before the departure", "returnDate")
        if "includedAirlineCodes" in self._values and "excludedAirlineCodes" in self._values:
            self._add_error(
                2668, "cannot be used together with includedAirlineCodes", "excludedAirlineCodes"
            )
        ends = [self._values[name][0] for name in _REQUIRED[:2]]
        if ends[0] == ends[1] and not self._errors:
            self._add_error(2668, "origin and destination are the same", "destinationLocationCode")

    def _read(self, name: str, convert: Callable[[str], T], default: T) -> T:
        """Return one parameter. If it is invalid, add an error and return the default."""
        if name not in self._values:
            return default
        try:
            return convert(self._values[name][0])
        except AmadeusError as error:
            error.source = {"parameter": name}
            self._errors.append(error)
            return default

    def _add_error(self, code: int, detail: str, name: str) -> None:
        self._errors.append(AmadeusError(code, detail, parameter=name))

    def _location(self, text: str) -> str:
        if not _CODE.fullmatch(text):
            raise AmadeusError(477, "a city or airport code is three letters from A to Z")
        if not self._airports.airports_of(text):
            raise AmadeusError(4926, "unknown city or airport code")
        return text

    def _date(self, text: str) -> dt.date | None:
        return read_date(text, self._first, self._last)


def read_date(text: str, first: dt.date, last: dt.date) -> dt.date:
    """Parse a date. Raises AmadeusError 477 (wrong format) or 425 (no day, or out of range)."""
    if not _DATE.fullmatch(text):
        raise AmadeusError(477, "a date is written YYYY-MM-DD")
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        raise AmadeusError(425, "there is no such day") from None
    if date < first:
        raise AmadeusError(425, "Date/Time is in the past")
    if date > last:
        raise AmadeusError(425, f"more than {MAX_DAYS_AHEAD} days ahead")
    return date


def _whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) < low or (high and int(text) > high):
            limit = f"from {low} to {high}" if high else f"from {low}"
            raise AmadeusError(477, f"a whole number {limit}")
        return int(text)

    return convert


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise AmadeusError(477, "true or false")
    return text == "true"


def _cabin(text: str) -> Cabin:
    for cabin in CABINS:
        if text == cabin:
            return cabin
    raise AmadeusError(477, "one of " + ", ".join(CABINS))


def _currency(text: str) -> Currency:
    if not _CODE.fullmatch(text):
        raise AmadeusError(477, "a currency code is three letters from A to Z")
    if text not in CURRENCIES:
        raise AmadeusError(4926, "unknown currency")
    return CURRENCIES[text]


def _airlines(text: str) -> frozenset[str]:
    codes = text.split(",")
    if len(codes) > _MAX_AIRLINES:
        raise AmadeusError(10661, f"at most {_MAX_AIRLINES} airlines")
    if not all(_AIRLINE.fullmatch(code) for code in codes):
        raise AmadeusError(477, "airline codes of two characters, separated by commas")
    return frozenset(codes)


def _travelers(adults: int, children: int, infants: int) -> tuple[Traveler, ...]:
    ids = map(str, range(1, adults + children + infants + 1))
    return (
        *(Traveler(next(ids), "ADULT") for _ in range(adults)),
        *(Traveler(next(ids), "CHILD") for _ in range(children)),
        *(Traveler(next(ids), "HELD_INFANT", str(n)) for n in range(1, infants + 1)),
    )
