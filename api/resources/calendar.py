"""GET /flights/calendar."""

import json
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import falcon

from api.access.allowance import allowance_of
from api.access.audience import Audience
from api.http.media_types import preferred
from api.http.stream import Stream
from api.models import CalendarRequest
from api.resources.parameters import parse
from api.services.calendar import (
    Calendar,
    Calendars,
    Conditions,
    DayRequest,
    KnownDay,
    cheapest,
    common_error,
)
from api.services.deadline import Deadline
from api.services.prices import Prices

EXAMPLE: Final = "/flights/calendar?origin=JFK&destination=LAX&month=…"
NDJSON: Final = "application/x-ndjson"
# A query takes up to 80 kB.
MAX_CACHED_QUERIES: Final = 64
MAX_CACHED_LENGTH: Final = 256


class ParsedQuery(NamedTuple):
    """A parsed query string, and the requests for its days."""

    request: CalendarRequest
    days: Sequence[DayRequest]


class CalendarResource:
    """The cheapest price of each day of a month."""

    audience = Audience.CLIENTS

    def __init__(
        self, calendars: Calendars, prices: Prices, environment: str, request_deadline: float
    ) -> None:
        """Create the resource. request_deadline: seconds that a request may take."""
        self._calendars = calendars
        self._prices = prices
        self._environment = environment
        self._request_deadline = request_deadline
        self._cached_parse = lru_cache(MAX_CACHED_QUERIES)(self._parse)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        calendar, query = self._look_up_cached(req, resp, only_known=False)
        if _wants_stream(req):
            self._stream(resp, calendar)
        else:
            self._answer(resp, calendar, query)

    def on_head(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer from what is known, and call nobody."""
        calendar, query = self._look_up_cached(req, resp, only_known=True)
        self._answer(resp, calendar, query)
        if _wants_stream(req):
            _set_stream_headers(resp)
            resp.data, resp.stream = None, ()  # a stream has no Content-Length

    def look_up(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        parsed: Callable[[], ParsedQuery],
        *,
        only_known: bool,
    ) -> tuple[Calendar, ParsedQuery]:
        """Return a calendar and its query, and set their headers and log fields.

        parsed: called once, for the query. Raises InvalidRequest.
        """
        deadline = Deadline(self._request_deadline)
        resp.set_header("X-Amadeus-Environment", self._environment)
        resp.set_header("X-Upstream-Calls", "0")
        query = parsed()
        request = query.request
        conditions = Conditions(
            request.max_age, only_known or request.known, allowance_of(req).consume_request
        )
        calendar = self._calendars.look_up(query.days, deadline, conditions)
        resp.set_header("X-Cache", _x_cache(calendar))
        route = {"origin": request.origin, "destination": request.destination}
        req.context.end_fields = lambda: {
            **route,
            **calendar.counts(),
            "upstream_calls": calendar.calls,
        }
        return calendar, query

    def _look_up_cached(
        self, req: falcon.Request, resp: falcon.Response, *, only_known: bool
    ) -> tuple[Calendar, ParsedQuery]:
        resp.append_header("Vary", "Accept")
        return self.look_up(req, resp, lambda: self._parse_cached(req), only_known=only_known)

    def _answer(self, resp: falcon.Response, calendar: Calendar, query: ParsedQuery) -> None:
        document = self.whole(resp, calendar, query)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = json.dumps({"data": document}).encode() + b"\n"

    def whole(
        self, resp: falcon.Response, calendar: Calendar, query: ParsedQuery
    ) -> dict[str, Any]:
        """Return all days at once, and set their headers.

        Raises the most common error if no day is known.
        """
        try:
            days = sorted(calendar.coming_days(), key=lambda day: day.date)
        finally:
            resp.set_header("X-Upstream-Calls", str(calendar.calls))
        if not days:
            raise common_error(calendar.missing)
        times = [calendar.times_of(day) for day in days]
        oldest, left = max(age for age, _ in times), min(left for _, left in times)
        is_complete = not calendar.missing and not any(day.is_stale for day in days)
        resp.set_headers(
            {
                "Age": str(int(oldest)),
                "Cache-Control": f"max-age={int(oldest + left)}" if is_complete else "no-store",
            }
        )
        request = query.request
        return {
            "origin": request.origin,
            "destination": request.destination,
            "from": query.days[0].query.date.isoformat(),
            "to": query.days[-1].query.date.isoformat(),
            "cheapest": _cheapest(days),
            "days": [_day(day, age) for day, (age, _) in zip(days, times, strict=True)],
            "missing": _missing(calendar),
        }

    def _stream(self, resp: falcon.Response, calendar: Calendar) -> None:
        """Send each day once it is known. The head waits for the first one."""
        days = calendar.coming_days()
        try:
            first = next(days, None)
        finally:
            resp.set_header("X-Upstream-Calls", str(calendar.calls))
        if first is None:
            raise common_error(calendar.missing)
        _set_stream_headers(resp)
        resp.stream = Stream(_lines(calendar, first, days))

    def _parse_cached(self, req: falcon.Request) -> ParsedQuery:
        """Return the parsed query. Validation depends on today's date, as in `PriceResource`."""
        parse = self._cached_parse if len(req.query_string) <= MAX_CACHED_LENGTH else self._parse
        return parse(req.query_string, int(time.time() // 3600))

    def _parse(self, query_string: str, _hour: int) -> ParsedQuery:
        return self.parse(falcon.uri.parse_query_string(query_string, keep_blank=True), EXAMPLE)

    def parse(self, params: Mapping[str, object], example: str = "") -> ParsedQuery:
        """Return the query of these parameters. Raises InvalidRequest.

        example: a valid path and query, for an error about a URL; empty if there is no URL.
        """
        request = parse(
            CalendarRequest, params, example, ttl=self._prices.ttl, oldest=self._prices.oldest
        )
        days = [DayRequest(query, self._prices.cache_request(query)) for query in request.queries()]
        return ParsedQuery(request, days)


def _wants_stream(req: falcon.Request) -> bool:
    return preferred(req, (falcon.MEDIA_JSON, NDJSON)) == NDJSON


def _set_stream_headers(resp: falcon.Response) -> None:
    resp.content_type = NDJSON
    resp.set_header("Cache-Control", "no-store")
    resp.delete_header("Age")
    resp.delete_header("X-Upstream-Calls")  # the last line has it


def _lines(
    calendar: Calendar, first: KnownDay, days: Generator[KnownDay, None, None]
) -> Generator[bytes, None, None]:
    """Yield a line for each day, and then one with what only the end can say."""
    try:
        for day in chain((first,), days):
            age, _ = calendar.times_of(day)
            yield _line(_day(day, age))
        yield _line(
            {
                "cheapest": _cheapest(calendar.days),
                "missing": _missing(calendar),
                "upstream_calls": calendar.calls,
            }
        )
    finally:
        days.close()


def _line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _x_cache(calendar: Calendar) -> str:
    if calendar.is_all_known:
        return "hit"
    return "partial" if calendar.arrived_known else "miss"


def _day(day: KnownDay, age: float) -> dict[str, Any]:
    return {"departure_date": day.date.isoformat(), "price": day.price, "age": int(age)}


def _cheapest(days: Iterable[KnownDay]) -> dict[str, Any] | None:
    day = cheapest(days)
    return day and {"departure_date": day.date.isoformat(), "price": day.price}


def _missing(calendar: Calendar) -> list[dict[str, Any]]:
    return [
        {"departure_date": day.date.isoformat(), "code": day.error.code}
        for day in sorted(calendar.missing, key=lambda day: day.date)
    ]
