"""The log format for people: one aligned line per event, coloured by its outcome."""

import json
from collections.abc import Iterable
from typing import Final

from structlog.typing import EventDict

GREEN, YELLOW, RED, BLUE, DIM, RESET = (f"\033[{code}m" for code in (32, 33, 31, 36, 2, 0))
EVENT_WIDTH: Final = 23
LEVEL_COLORS: Final = {"debug": DIM, "warning": YELLOW, "error": RED, "critical": RED}
EVENT_COLORS: Final = {
    **dict.fromkeys(("cache.hit", "cache.coalesced", "cache.refreshed", "cache.recovered"), GREEN),
    **dict.fromkeys(("token.fetched", "token.shared", "amadeus.circuit_closed"), GREEN),
    **dict.fromkeys(("cache.miss", "cache.bypass", "cache.stored", "amadeus.call"), BLUE),
    "provider.call": BLUE,
    **dict.fromkeys(("gunicorn", "library"), DIM),
}
ROUTE: Final = ("origin", "destination", "date")


class ConsoleRenderer:
    """Renders fields as a line with its newline. An indented traceback follows it."""

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def __call__(self, line: EventDict) -> bytes:
        time = str(line.pop("timestamp"))[11:23]
        level, event = str(line.pop("level")), str(line.pop("event"))
        request_id, exception = line.pop("request_id", ""), line.pop("exception", "")
        color = _color(level, event, line.get("status"))
        parts = [
            self._painted(DIM, time),
            self._painted(color, f"{level:<8}"),
            self._painted(color, f"{event:<{EVENT_WIDTH}}"),
            *_fields(line),
            self._painted(DIM, str(request_id)),
        ]
        text = " ".join(filter(None, parts)).rstrip() + "\n"
        if exception:
            rows = escape_control_characters(str(exception), "\n").splitlines()
            text += "".join(f"    {row}\n" for row in rows)
        return text.encode(errors="backslashreplace")

    def _painted(self, color: str, text: str) -> str:
        return f"{color}{text}{RESET}" if self._colors and color and text else text


def _color(level: str, event: str, status: object) -> str:
    if level in LEVEL_COLORS:
        return LEVEL_COLORS[level]
    if event == "http.request" and isinstance(status, int):
        return (GREEN, GREEN, YELLOW, RED)[min(max(status // 100 - 2, 0), 3)]
    return EVENT_COLORS.get(event, "")


def _fields(line: EventDict) -> Iterable[str]:
    if all(name in line for name in ROUTE):
        origin, destination, date = (str(line.pop(name)) for name in ROUTE)
        yield f"{origin}-{destination} {date}"
    for name, value in line.items():
        if value is not None:
            yield f"{name}={_quote(value)}"


def _quote(value: object) -> str:
    text = str(value)
    if not text or any(sign in text for sign in ' "='):  # otherwise it could look like more fields
        text = json.dumps(text, ensure_ascii=False)
    return escape_control_characters(text)


def escape_control_characters(text: str, kept: str = "") -> str:
    """Escape all characters that are not printable, except those in `kept`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else json.dumps(each)[1:-1] for each in text
    )
