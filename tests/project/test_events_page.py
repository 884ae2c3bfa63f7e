"""docs/observability.md describes every log event with the level and fields that the code logs."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from api.telemetry.events import Event

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "api").rglob("*.py")), ROOT / "gunicorn.conf.py"]
ROW = re.compile(r"\| `([a-z_.]+)` \| ([a-z, ]+) \| ([a-z_, ]*) ?\| (.+) \|")
METHODS = {name: name for name in ("debug", "info", "warning", "error", "critical")}
METHODS["exception"] = "error"


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """The level and the fields of each event on the page."""
    section = (ROOT / "docs" / "observability.md").read_text().partition("\n## The log\n")[2]
    return {
        event: (set(levels.split(", ")), set(fields.strip().split(", ")) - {""})
        for event, levels, fields, _ in ROW.findall(section)
    }


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    return [
        (f"{source.name}:{getattr(node, 'lineno', 0)}", node)
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
    ]


def logged() -> Iterator[tuple[str, str, Event, set[str]]]:
    """The calls that log an event by name: place, level, event and fields."""
    for place, node in nodes():
        match node:
            case ast.Call(
                func=ast.Attribute(attr=method),
                args=[ast.Attribute(value=ast.Name("Event"), attr=event)],
                keywords=keywords,
            ) if method in METHODS and all(keyword.arg for keyword in keywords):
                named = {keyword.arg or "" for keyword in keywords}
                fields = {"exception" if name == "exc_info" else name for name in named}
                if method == "exception":
                    fields |= {"exception"}
                yield place, METHODS[method], Event[event], fields


def only_logged_by_name() -> set[Event]:
    """The events whose every use in the code is such a call."""
    named = Counter(
        Event[node.attr]
        for _, node in nodes()
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Event"
    )
    return {
        event
        for event, times in Counter(line[2] for line in logged()).items()
        if named[event] == times
    }


def test_observability_page_lists_exactly_the_events_of_the_code() -> None:
    assert set(rows()) == set(Event)


def test_scan_for_logged_events_finds_most_events() -> None:
    """The scan misses only events that are passed as arguments or come from settings."""
    observed = {Event.CACHE_MISS, Event.CACHE_BYPASS, Event.CACHE_COALESCED, Event.CACHE_STORED}
    observed |= {Event.CACHE_REFRESHED, Event.CACHE_STALE_SERVED}
    others = {Event.SERVICE_STARTED, Event.AMADEUS_CALL, Event.GUNICORN, Event.LIBRARY}
    others |= {Event.PROVIDER_CALL}
    others |= {Event.HTTP_REQUEST, Event.CACHE_HIT}

    assert only_logged_by_name() == {*Event} - observed - others


def test_logged_events_and_fields_are_documented() -> None:
    page = rows()
    missing = []
    for place, level, event, fields in logged():
        levels, known = page[event]
        if level not in levels or not fields <= known:
            missing.append((place, event, level, fields))

    assert missing == []


def test_documented_events_and_fields_are_logged() -> None:
    page = rows()
    for event in only_logged_by_name():
        lines = [(level, fields) for _, level, name, fields in logged() if name == event]
        levels = {level for level, _ in lines}

        assert (event, page[event]) == (event, (levels, set().union(*(f for _, f in lines))))
