"""The names of all faults, and the checks of their arguments.

The faults cover every misbehaviour that was seen to break the official SDKs. There are three kinds:
faulty content (`content`), faults on the connection (`wire`), and delays.
"""

import re
from collections.abc import Callable

from sandbox.config import Latency
from sandbox.documented import Leg
from sandbox.faults.content import BODY_FAULTS, OFFER_FAULTS, TOKEN_FAULTS
from sandbox.faults.wire import WIRE_FAULTS

LATENCY = "latency"

Check = Callable[[str | None], object]

_STATUS = re.compile(r"[0-9]{3}(:[0-9]{0,9}){0,2}")
_STATUSES = 200, 699


def names_for(leg: Leg) -> set[str]:
    """Return the names of the faults for an endpoint."""
    own = TOKEN_FAULTS if leg == "token" else OFFER_FAULTS
    return {LATENCY, *BODY_FAULTS, *WIRE_FAULTS, *own}


def _number(low: float, high: float) -> Check:
    def check(arg: str | None) -> None:
        if arg is None:
            return
        try:
            good = low <= float(arg) <= high
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"the argument must be a number from {low:g} to {high:g}, not {arg!r}")

    return check


def _status(low: int, high: int, *, required: bool = False) -> Check:
    def check(arg: str | None) -> None:
        if arg is None and not required:
            return
        text = arg or ""
        if not _STATUS.fullmatch(text) or not low <= int(text[:3]) <= high:
            raise ValueError(
                "the argument must be STATUS, STATUS:CODE or STATUS:CODE:SECONDS,"
                f" STATUS from {low} to {high}, not {arg!r}"
            )

    return check


def _text(arg: str | None) -> None:
    if arg is not None and not arg.isprintable():
        raise ValueError("the argument must be printable text")


def _first(arg: str | None) -> None:
    if arg not in {None, "first"}:
        raise ValueError(f"the argument must be first, or left out for all offers, not {arg!r}")


def _header_value(arg: str | None) -> None:
    if arg is not None and not (arg.isascii() and arg.isprintable()):
        raise ValueError("the argument must be printable ASCII, because it becomes a header")


def _location(arg: str | None) -> None:
    _header_value(arg)
    status = re.match("([0-9]+):", arg or "")
    if status and not _STATUSES[0] <= int(status[1]) <= _STATUSES[1]:
        raise ValueError(
            f"the argument must be [STATUS:]LOCATION, STATUS from {_STATUSES[0]} to {_STATUSES[1]}"
        )


_ANY_STATUS = _status(*_STATUSES)
_ERROR = _status(400, 599)
_SECONDS = _number(0, 600)

# Faults that are not listed here take no argument.
ARGUMENT_CHECKS: dict[str, Check] = {
    LATENCY: Latency.parse,
    "status": _status(*_STATUSES, required=True),
    "content_type": _header_value,
    "redirect": _location,
    "odd_price": _text,
    "missing_price": _first,
    "huge": _number(1, 2**31),
    "tiny_expires_in": _number(0, 2**31),
    **dict.fromkeys(("hang", "hang_in_body", "slow_headers", "slow_body"), _SECONDS),
    "many_headers": _number(1, 100_000),
    "long_header": _number(1, 10_000_000),
    **dict.fromkeys(
        (
            "bom", "charset", "data_and_errors", "deep", "empty", "empty_list", "empty_object",
            "gzip", "html", "invalid_json", "latin1", "list", "nan", "no_content_type", "no_data",
            "null", "null_data", "string", "truncated", "truncated_chunk",
            "truncated_no_length",
        ),
        _ANY_STATUS,
    ),
    **dict.fromkeys(
        ("detail_int", "detail_null", "errors_dict", "errors_null", "source_null", "string_codes",
         "two_errors"),
        _ERROR,
    ),
}  # fmt: skip
