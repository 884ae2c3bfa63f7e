"""docs/observability.md tells what each event of the log means, and what the code logs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.logs import Event

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "api").rglob("*.py")), ROOT / "gunicorn.conf.py"]
ROW = re.compile(r"\| `([a-z_.]+)` \| ([a-z, ]+) \| ([a-z_, ]*) ?\| (.+) \|")
LEVELS = ("debug", "info", "warning", "error", "critical")


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """The level and the fields of each event, as the page has them."""
    section = (ROOT / "docs" / "observability.md").read_text().partition("\n## The log\n")[2]
    return {
        event: (set(levels.split(", ")), set(fields.strip().split(", ")) - {""})
        for event, levels, fields, _ in ROW.findall(section)
    }


def logged() -> Iterator[tuple[str, str, str, set[str]]]:
    """Where an event is logged by name: place, level, event and the fields named there."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=level),
                    args=[ast.Attribute(value=ast.Name("Event"), attr=event)],
                ) if level in LEVELS:
                    named = {keyword.arg for keyword in node.keywords if keyword.arg}
                    fields = {"exception" if name == "exc_info" else name for name in named}
                    yield f"{source.name}:{node.lineno}", level, Event[event], fields


def test_every_event_is_on_the_page_and_no_other() -> None:
    assert set(rows()) == set(Event)


def test_the_search_for_what_is_logged_finds_it() -> None:
    assert len(list(logged())) > 10


@pytest.mark.parametrize(("place", "level", "event", "fields"), list(logged()))
def test_what_is_logged_is_on_the_page(
    place: str, level: str, event: str, fields: set[str]
) -> None:
    levels, known = rows()[event]

    assert level in levels, place
    assert fields <= known, place
