"""Reads the parts of a provider's answer. What is missing or malformed is None or an empty list."""

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from protocol.reference.currencies import CURRENCIES

_USUAL_DIGITS = 2
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_DURATION = re.compile(r"P(?:(\d{1,2})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:\d{1,2}S)?)?")


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
