"""Reads the parts of a provider's answer. What is missing or malformed is None or an empty list.

`needed` refuses a part that is missing although every offer of Amadeus has it.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from protocol.reference.currencies import CURRENCIES
from protocol.request.search import CABINS, Cabin

PLACE = re.compile("[A-Z]{3}")
AIRLINE = re.compile("[0-9A-Z]{2}")
FLIGHT_NUMBER = re.compile("0*([0-9]{1,4}[A-Z]?)")
CURRENCY = re.compile("[A-Z]{3}")
WORDS = re.compile(".+", re.DOTALL)

_CABINS: dict[str, Cabin] = {cabin.lower(): cabin for cabin in CABINS}
_SECONDS = re.compile("[0-9]{1,9}")
_MAX_WAIT = 3600  # seconds; after them a search shows whether the limit still holds
_USUAL_DIGITS = 2
_MANY = 10_000  # more bags, and more minutes, than a journey has
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,30})?")
_DURATION = re.compile(r"P(?:(\d{1,2})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:\d{1,2}S)?)?")

T = TypeVar("T")


class Unreadable(Exception):
    """A part is missing that every offer of Amadeus has."""


def needed(part: T | None) -> T:
    """Return a part that must not be missing or empty. Raises Unreadable if it is."""
    if not part:
        raise Unreadable
    return part


def readable(read: Callable[[Any], T], parts: Iterable[Any]) -> list[T]:
    """Read the parts that can be read, and leave the others out."""
    known = []
    for part in parts:
        with suppress(Unreadable):
            known.append(read(part))
    return known


def at(document: Any, *path: str) -> Any:
    """Return the value at a path of names."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def items(value: Any) -> list[Any]:
    """Return a list, empty if the value is none."""
    return value if isinstance(value, list) else []


def text(value: Any, pattern: re.Pattern[str]) -> str | None:
    """Return what the pattern's last group, or else the whole pattern, matches."""
    match = pattern.fullmatch(value) if isinstance(value, str) else None
    return match[match.lastindex or 0] if match else None


def whole(value: Any) -> int | None:
    """Return a whole number from 0 to a few thousand; None if the value is none."""
    return value if type(value) is int and 0 <= value < _MANY else None


def cabin(value: Any) -> Cabin | None:
    """Return a cabin, which providers write like `premium_economy`."""
    return _CABINS.get(value) if isinstance(value, str) else None


def day(moment: Any) -> dt.date | None:
    """Return the day in UTC of a moment with a time zone."""
    try:
        known = dt.datetime.fromisoformat(moment)
        return known.astimezone(dt.UTC).date() if known.tzinfo else None
    except (OverflowError, TypeError, ValueError):
        return None


def amount(value: object, currency: str) -> Decimal | None:
    """Read an amount, rounded half up to the usual digits of its currency; None if it is none."""
    text = format(value, "f") if isinstance(value, Decimal) and value.is_finite() else str(value)
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        return None
    known = CURRENCIES.get(currency)
    digits = known.digits if known else _USUAL_DIGITS
    return Decimal(text).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def minutes(text: object) -> int | None:
    """Read a duration in ISO 8601, like `PT02H10M` or `P1DT2H`; None if it is none."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, rest = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + rest or None


def local_time(text: object) -> dt.datetime | None:
    """Read a local time like `2026-12-10T07:30:00`; None if it is none."""
    try:
        return dt.datetime.fromisoformat(str(text)).replace(tzinfo=None, microsecond=0)
    except ValueError:
        return None


def seconds_to_wait(status: int, headers: Mapping[str, str], *names: str) -> int | None:
    """Return what the first of these headers that can be read says of a 429, at most an hour.

    A header is a number of seconds or a date. A date counts from the date of the answer: the
    provider's clock may differ from ours.
    """
    # On another error it is the end of a window that has nothing to do with the refusal.
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    known = (_seconds(headers.get(name, ""), headers.get("date", "")) for name in names)
    return next((min(max(1, seconds), _MAX_WAIT) for seconds in known if seconds is not None), None)


def _seconds(value: str, now: str) -> int | None:
    if _SECONDS.fullmatch(value):
        return int(value)
    try:
        left = parsedate_to_datetime(value) - parsedate_to_datetime(now)
    except (OverflowError, TypeError, ValueError):
        return None
    return math.ceil(left.total_seconds())
