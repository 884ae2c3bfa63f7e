"""Tells Schemathesis the rules that OpenAPI cannot express.

A schema describes each parameter separately. Rules across parameters, and the existing codes, are
in the descriptions for people. Without them Schemathesis would report correct refusals as errors.
"""

import datetime as dt
import json
import re
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies

TODAY = dt.datetime.now(dt.UTC).date()
SEATS = 9
# Longer URLs get 414, which Schemathesis does not count as a refusal.
LINE_BYTES = 1900
CALENDAR = "/flights/calendar"
CACHE_TTL = 600
CODE = re.compile("[A-Za-z]{3}")
KNOWN = {
    "origin": ("JFK", "lhr", "CDG"),
    "destination": ("LAX", "fra", "HND"),
    "currency": ("EUR", "usd"),
}


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replace each well-formed code by one that exists."""
    for name, known in KNOWN.items():
        code = query.get(name) if query else None
        if query and isinstance(code, str) and CODE.fullmatch(code):
            query[name] = known[sum(code.encode()) % len(known)]
    return query


@schemathesis.hook
def before_add_examples(_context: Any, examples: list[Any]) -> None:
    """Take out of a case with an example of each parameter what contradicts the others."""
    for case in examples:
        query = case.query or {}
        if {"max_age", "known"} & query.keys():
            query.pop("nocache", None)
        if "month" in query:
            query.pop("from", None)
            query.pop("to", None)


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip cases that are well-formed but contradictory, or too long."""
    query = {name: str(value) for name, value in (case.query or {}).items()}
    if case.path == CALENDAR and not is_calendar(query):
        return False
    return not query or (len(urlencode(query)) < LINE_BYTES and makes_sense(query))


def is_calendar(query: dict[str, str]) -> bool:
    """Whether the query has a month or both ends of a period, and a max_age that is allowed."""
    names_days = "month" in query or {"from", "to"} <= query.keys()
    max_age = query.get("max_age", "")
    is_young = max_age.isdecimal() and int(max_age) < CACHE_TTL and not is_on(query, "known")
    return names_days and not is_young


def makes_sense(query: dict[str, str]) -> bool:
    try:
        adults, children, infants = (
            int(query.get(name, default))
            for name, default in (("adults", 1), ("children", 0), ("infants", 0))
        )
        max_age = int(query.get("max_age", 1))
        leaves, returns = journey(query)
    except (KeyError, ValueError):
        return True  # malformed: the service must refuse it
    except OverflowError:
        return False  # beyond the last year
    return (
        infants <= adults
        and adults + children <= SEATS
        and not (is_on(query, "nocache") and (is_on(query, "known") or "max_age" in query))
        and not (is_on(query, "known") and max_age == 0)
        and TODAY <= leaves <= returns <= TODAY + dt.timedelta(days=365)
    )


def journey(query: dict[str, str]) -> tuple[dt.date, dt.date]:
    """The day of departure and the day of return; of a calendar, those of its first valid day."""
    if "date" in query:
        leaves = dt.date.fromisoformat(query["date"])
        return leaves, dt.date.fromisoformat(query.get("return_date", query["date"]))
    if "month" in query:
        first = dt.date.fromisoformat(f"{query['month']}-01")
        last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    else:
        first, last = (dt.date.fromisoformat(query[name]) for name in ("from", "to"))
    is_contradictory = "month" in query and {"from", "to"} & query.keys()
    if is_contradictory or last < max(first, TODAY) or last - first > dt.timedelta(days=30):
        return dt.date.min, dt.date.min
    leaves = max(first, TODAY)
    return leaves, leaves + dt.timedelta(days=int(query.get("nights", 0)))


def is_on(query: dict[str, str], switch: str) -> bool:
    return query.get(switch, "").lower() in ("1", "true")


@schemathesis.deserializer("application/x-ndjson")
def last_line(_context: Any, response: Any) -> Any:
    """The schema of a stream is that of a line."""
    return json.loads(response.text.splitlines()[-1])


schemathesis.openapi.format(
    "date",
    strategies.dates(TODAY, TODAY + dt.timedelta(days=365)).map(dt.date.isoformat),
)
