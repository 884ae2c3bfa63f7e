"""Tells Schemathesis the rules that OpenAPI cannot express.

A schema describes each parameter separately. Rules across parameters, and the existing codes, are
in the descriptions for people. Without them Schemathesis would report correct refusals as errors.
"""

import datetime as dt
import re
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies

TODAY = dt.datetime.now(dt.UTC).date()
SEATS = 9
# Longer URLs get 414, which Schemathesis does not count as a refusal.
LINE_BYTES = 1900
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


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip cases that are well-formed but contradictory, or too long."""
    query = {name: str(value) for name, value in (case.query or {}).items()}
    return not query or (len(urlencode(query)) < LINE_BYTES and makes_sense(query))


def makes_sense(query: dict[str, str]) -> bool:
    try:
        adults, children, infants = (
            int(query.get(name, default))
            for name, default in (("adults", 1), ("children", 0), ("infants", 0))
        )
        max_age = int(query.get("max_age", 1))
        leaves = dt.date.fromisoformat(query["date"])
        returns = dt.date.fromisoformat(query.get("return_date", query["date"]))
    except (KeyError, ValueError):
        return True  # malformed: the service must refuse it
    return (
        infants <= adults
        and adults + children <= SEATS
        and not (is_on(query, "nocache") and (is_on(query, "known") or "max_age" in query))
        and not (is_on(query, "known") and max_age == 0)
        and TODAY <= leaves <= returns <= TODAY + dt.timedelta(days=365)
    )


def is_on(query: dict[str, str], switch: str) -> bool:
    return query.get(switch, "").lower() in ("1", "true")


schemathesis.openapi.format(
    "date",
    strategies.dates(TODAY, TODAY + dt.timedelta(days=365)).map(dt.date.isoformat),
)
