"""The use case: the cheapest prices of many days, each from the cache or from Amadeus.

Each day is the same cache entry as its price.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from api.errors import FlightPriceError, NotInTime, NotKnown, TooManyRequests
from api.models import PriceQuery
from api.services.bodies import amount_of
from api.services.cache.entries import Entry
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, Outcome
from api.services.deadline import Deadline
from api.services.patient_fetches import PatientFetcher, PatientFetches, Upstream
from api.services.prices import Prices
from api.telemetry.metrics import Metrics


class DayRequest(NamedTuple):
    """The query for the price of a day, and its cache request."""

    query: PriceQuery
    cache_request: CacheRequest


class KnownDay(NamedTuple):
    """A day with an answer. price: None if nothing flies."""

    date: dt.date
    price: str | None
    entry: Entry
    is_stale: bool


class MissingDay(NamedTuple):
    """A day without an answer, and the reason."""

    date: dt.date
    error: FlightPriceError


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a client accepts.

    max_age: seconds that a price may be old, whatever its TTL.
    only_known: fetch nothing, and accept stale prices.
    allow: called for each day that must be fetched; raises TooManyRequests.
    """

    max_age: int | None = None
    only_known: bool = False
    allow: Callable[[], None] = lambda: None


class Calendars:
    """Answers queries for many days."""

    def __init__(
        self, read_through: ReadThrough, prices: Prices, upstream: Upstream, metrics: Metrics
    ) -> None:
        self.read_through = read_through
        self.fetcher = PatientFetcher(read_through, prices.cache_request, upstream)
        self.count = metrics.calendar_days.labels

    def look_up(
        self, requests: Sequence[DayRequest], deadline: Deadline, conditions: Conditions
    ) -> "Calendar":
        """Return a calendar with the days that are known. `coming_days` fetches the others."""
        return Calendar(self, requests, deadline, conditions)


class Calendar:
    """The answer to one query, as it becomes known.

    days: those with an answer, in the order in which it became known.
    missing: those without one; complete after `coming_days`.
    arrived_known: the number of days that were known on arrival.
    """

    def __init__(
        self,
        calendars: Calendars,
        requests: Sequence[DayRequest],
        deadline: Deadline,
        conditions: Conditions,
    ) -> None:
        self.days: list[KnownDay] = []
        self.missing: list[MissingDay] = []
        self._calendars = calendars
        self._max_age = conditions.max_age
        self._only_known = conditions.only_known
        self._stand_ins: dict[dt.date, KnownDay] = {}
        unknown = [
            query
            for query, request in requests
            if not deadline.remaining()
            or not self._is_known(query, request, even_if_stale=conditions.only_known)
        ]
        self.arrived_known, self._unknown = len(self.days), len(unknown)
        self._refused = _refused(unknown, deadline, conditions)
        fetched = unknown[: len(unknown) - len(self._refused)]
        self._fetches = PatientFetches(calendars.fetcher, fetched, deadline, self._max_age)

    @property
    def is_all_known(self) -> bool:
        """Whether all days were known on arrival."""
        return not self._unknown

    @property
    def calls(self) -> int:
        """The number of calls to Amadeus so far."""
        return self._fetches.calls

    def coming_days(self) -> Generator[KnownDay, None, None]:
        """Yield each day with an answer as soon as it is known. Iterate only once.

        If the iteration ends early, no other fetch starts.
        """
        try:
            yield from tuple(self.days)
            with closing(self._fetches.outcomes()) as fetched:
                for outcomes in (self._refused, fetched):
                    for query, outcome in outcomes:
                        day = self._answered(query.date, outcome)
                        if day is not None:
                            self.days.append(day)
                            yield day
        finally:
            counts = self.counts()
            if self._only_known:  # nobody tried to fetch these days
                counts["unknown"] = counts.pop("missing")
            for name, number in counts.items():
                self._calendars.count(name).inc(number)

    def counts(self) -> dict[str, int]:
        """Return how many days were fresh on arrival, fetched, stale and missing."""
        known = sum(not day.is_stale for day in self.days[: self.arrived_known])
        stale = sum(day.is_stale for day in self.days)
        return {
            "known": known,
            "fetched": len(self.days) - known - stale,
            "stale": stale,
            "missing": len(self.missing),
        }

    def times_of(self, day: KnownDay) -> tuple[float, float]:
        """Return the age of a day's answer, and for how long it serves a calendar, in seconds."""
        age = self._calendars.read_through.age_of(day.entry)
        return age, day.entry.seconds_left(age, self._max_age)

    def _is_known(self, query: PriceQuery, request: CacheRequest, *, even_if_stale: bool) -> bool:
        # A month must not push prices that people read out of the copy.
        result = self._calendars.read_through.known(request, self._max_age, touch=False)
        if result is None:
            return False
        is_stale = result.entry.seconds_left(result.age, self._max_age) <= 0
        day = _known_day(query.date, result.entry, is_stale=is_stale)
        if is_stale and not even_if_stale:
            if self._max_age is None:
                self._stand_ins[query.date] = day
            return False
        self.days.append(day)
        return True

    def _answered(self, date: dt.date, outcome: CacheResult | FlightPriceError) -> KnownDay | None:
        """Return a day with an answer, even a stale one; otherwise add it to the missing days."""
        if isinstance(outcome, CacheResult):
            return _known_day(date, outcome.entry, is_stale=outcome.outcome is Outcome.STALE)
        stand_in = self._stand_ins.get(date)
        if stand_in is None:
            self.missing.append(MissingDay(date, outcome))
            return None
        return stand_in


def cheapest(days: Iterable[KnownDay]) -> KnownDay | None:
    """Return the cheapest day in the most common currency; None if nothing flies.

    If two currencies are equally common, that of the earliest day counts. Of equal prices, the
    earliest day is the cheapest.
    """
    flying = sorted((day for day in days if day.price is not None), key=lambda day: day.date)
    if not flying:
        return None
    # max and min return the first of equals, and a Counter keeps the order of the days.
    currencies = Counter(_currency(day) for day in flying)
    common = max(currencies, key=lambda currency: currencies[currency])
    return min((day for day in flying if _currency(day) == common), key=_amount)


def common_error(missing: Sequence[MissingDay]) -> FlightPriceError:
    """Return the error that most of the days have, and of equally many the first."""
    codes = Counter(day.error.code for day in missing)
    common = max(codes, key=lambda code: codes[code])
    return next(day.error for day in missing if day.error.code == common)


def _refused(
    unknown: Sequence[PriceQuery], deadline: Deadline, conditions: Conditions
) -> list[tuple[PriceQuery, FlightPriceError]]:
    """Return the days that may not be fetched, and why; they are the last ones."""
    for number, _ in enumerate(unknown):
        error = _refusal(deadline, conditions)
        if error is not None:
            return [(query, error) for query in unknown[number:]]
    return []


def _refusal(deadline: Deadline, conditions: Conditions) -> FlightPriceError | None:
    """Return why a day may not be fetched, or None."""
    if not deadline.remaining():
        return NotInTime("The time limit of this request passed before the turn of this day.")
    if conditions.only_known:
        return NotKnown("No price of these days is known.")
    try:
        conditions.allow()
    except TooManyRequests as error:
        return error
    return None


def _known_day(date: dt.date, entry: Entry, *, is_stale: bool) -> KnownDay:
    return KnownDay(date, amount_of(entry.body) if entry.body else None, entry, is_stale)


def _currency(day: KnownDay) -> str:
    return str(day.price).partition(" ")[2]


def _amount(day: KnownDay) -> Decimal:
    return Decimal(str(day.price).partition(" ")[0])
