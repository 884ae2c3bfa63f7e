"""What OpenAPI cannot say of the parameters, told to Schemathesis.

A schema describes each parameter by itself. Rules across parameters, and which codes exist, are
in the descriptions for people; without them Schemathesis would take good refusals for faults.
"""

import datetime as dt
import re
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies

TODAY = dt.datetime.now(dt.UTC).date()
SEATS = 9
# Beyond this the service answers 414, which Schemathesis takes for no refusal.
LINE_BYTES = 1900
CODE = re.compile("[A-Za-z]{3}")
KNOWN = {
    "origin": ("JFK", "lhr", "CDG"),
    "destination": ("LAX", "fra", "HND"),
    "currency": ("EUR", "usd"),
}


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Put a code that exists in the place of each that is well-formed."""
    for name, known in KNOWN.items():
        code = query.get(name) if query else None
        if query and isinstance(code, str) and CODE.fullmatch(code):
            query[name] = known[sum(code.encode()) % len(known)]
    return query


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out what is well-formed and makes no sense, and what is too long to be looked at."""
    query = {name: str(value) for name, value in (case.query or {}).items()}
    return not query or (len(urlencode(query)) < LINE_BYTES and makes_sense(query))


def makes_sense(query: dict[str, str]) -> bool:
    try:
        adults, children, infants = (
            int(query.get(name, default))
            for name, default in (("adults", 1), ("children", 0), ("infants", 0))
        )
        leaves = dt.date.fromisoformat(query["date"])
        returns = dt.date.fromisoformat(query.get("return_date", query["date"]))
    except (KeyError, ValueError):
        return True  # malformed, and to be refused as such
    return (
        infants <= adults
        and adults + children <= SEATS
        and TODAY <= leaves <= returns <= TODAY + dt.timedelta(days=365)
    )


schemathesis.openapi.format(
    "date",
    strategies.dates(TODAY, TODAY + dt.timedelta(days=365)).map(dt.date.isoformat),
)
