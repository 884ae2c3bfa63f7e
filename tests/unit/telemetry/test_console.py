"""Log lines on a terminal are short and readable."""

import json
import re

import pytest

from api.telemetry.console import BLUE, GREEN, RED, YELLOW, ConsoleRenderer
from api.telemetry.events import Event


def line(*, colors: bool = False, level: str = "info", **fields: object) -> str:
    begin = {"timestamp": "2026-11-21T23:08:04.123Z", "level": level}
    return ConsoleRenderer(colors=colors)({**begin, **fields}).decode()


def test_console_line_has_time_level_and_event_in_columns() -> None:
    lines = [
        line(event=Event.CACHE_HIT, ttl=600),
        line(event=Event.AMADEUS_CIRCUIT_OPENED, level="warning", ttl=600),
    ]

    assert {one.index("ttl=600") for one in lines} == {46}
    assert lines[0].startswith("23:08:04.123 info     cache.hit ")


def test_console_line_shows_a_route_as_one_word() -> None:
    shown = line(
        event=Event.CACHE_MISS, origin="JFK", destination="LAX", date="2026-12-21", age=None
    )

    assert shown.endswith("JFK-LAX 2026-12-21\n")


def test_console_line_ends_with_the_request_id() -> None:
    assert line(event=Event.CACHE_HIT, request_id="abc", ttl=600).endswith("ttl=600 abc\n")


@pytest.mark.parametrize(
    ("color", "fields"),
    [
        (GREEN, {"event": Event.CACHE_HIT}),
        (BLUE, {"event": Event.CACHE_MISS}),
        (YELLOW, {"event": Event.CACHE_STALE_SERVED, "level": "warning"}),
        (RED, {"event": Event.TOKEN_FAILED, "level": "error"}),
        (GREEN, {"event": Event.HTTP_REQUEST, "status": 200}),
        (GREEN, {"event": Event.HTTP_REQUEST, "status": 304}),
        (YELLOW, {"event": Event.HTTP_REQUEST, "status": 400}),
        (RED, {"event": Event.HTTP_REQUEST, "status": 503}),
    ],
)
def test_console_line_colors_the_outcome(color: str, fields: dict[str, str]) -> None:
    assert f"{color}{fields['event']}" in line(colors=True, **fields)


def test_console_line_without_colors_has_no_escape_codes() -> None:
    assert "\033" not in line(event=Event.TOKEN_FAILED, level="error")


def test_client_input_cannot_break_or_color_a_log_line() -> None:
    shown = line(colors=False, event=Event.HTTP_REQUEST, path="/x\n\033[31mcache.hit \ud800")

    assert shown.count("\n") == 1
    assert "\033" not in shown


@pytest.mark.parametrize("path", ['/a" status=500 x="', '/a"status=500', "/a=b", "/ a", ""])
def test_client_input_cannot_pass_for_a_log_field(path: str) -> None:
    shown = line(event=Event.HTTP_REQUEST, path=path, status=404)

    quoted = re.search(r'path=(".*") status=404\n', shown)
    assert quoted
    assert json.loads(quoted[1]) == path


def test_traceback_is_indented_below_its_console_line() -> None:
    shown = line(event=Event.HTTP_ERROR, level="error", exception="Traceback:\n  x\nKeyError: 1")

    first, *rest = shown.splitlines()
    assert "http.error" in first
    assert all(re.match(r" {4}\S| {6}x", one) for one in rest)
