"""Nonsense in a provider's answer spoils the offer that has it, and nothing else.

The clients of the bridge check each answer against its schema.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients.bridge_client import Bridge, IgnavBridge
from tests.support.providers import ignav
from tests.support.providers.duffel import airport, offer, passenger, segment, traveler, way

pytestmark = pytest.mark.thorough

Path = tuple[str | int, ...]

STOP = {
    "id": "sto_1",
    "airport": airport("DEN"),
    "arriving_at": "2026-12-10T09:20:00",
    "departing_at": "2026-12-10T10:10:00",
    "duration": "PT00H50M",
}
FLYING = [passenger(), passenger("pas_2")]
OFFER = offer(
    "306.85",
    way(segment(passengers=FLYING, stops=[STOP])),
    way(segment("LAX", "JFK", passengers=FLYING)),
    passengers=[traveler(), traveler("pas_2", "child", 8)],
)
NONSENSE: list[Any] = [
    None, True, -1, 10**30, 1e308, "", "\x00", "9" * 300, "NaN", "1e400", "0.00",
    "PT0M", "P99DT9999H99999M", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00",
    [], {}, [None], [{}], {"iata_code": ["JFK"]},
    [{"type": "checked", "quantity": 10**30}], [{"type": "checked", "quantity": True}],
]  # fmt: skip


def paths(value: object) -> Iterator[Path]:
    """The path of each part of a JSON document."""
    parts: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for name, part in parts:
        yield (name,)
        yield from ((name, *rest) for rest in paths(part))


def replaced(document: Any, path: Path, value: object) -> Any:
    """A JSON document with another value at this path; it shares its other parts."""
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


@pytest.mark.parametrize(
    "nonsense", NONSENSE, ids=[f"{number}: {one!r:.20}" for number, one in enumerate(NONSENSE)]
)
def test_nonsense_anywhere_in_an_offer_spoils_no_other_offer(nonsense: object) -> None:
    spoiled = [replaced(OFFER, path, nonsense) for path in paths(OFFER)]
    bridge = Bridge()
    bridge.duffel.fail("list", 200, {"data": [*spoiled, nonsense, OFFER]})
    answer = bridge.search(returnDate="2026-12-17", children=1)
    assert answer.status_code == 200
    assert "306.85" in {one["price"]["grandTotal"] for one in answer.json()["data"]}


@pytest.mark.parametrize(
    "nonsense", NONSENSE, ids=[f"{number}: {one!r:.20}" for number, one in enumerate(NONSENSE)]
)
def test_nonsense_anywhere_in_an_itinerary_spoils_no_other_offer(nonsense: object) -> None:
    good = ignav.itinerary(306.85, ignav.leg(), ignav.leg(ignav.segment("LAX", "JFK")))
    spoiled = [replaced(good, path, nonsense) for path in paths(good)]
    bridge = IgnavBridge(*spoiled, nonsense, good, odd=True)
    answer = bridge.search(returnDate="2026-12-17", children=1)
    assert answer.status_code == 200
    assert "306.85" in {one["price"]["grandTotal"] for one in answer.json()["data"]}


def test_text_that_is_not_unicode_makes_the_answer_unreadable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bridge = Bridge()
    bridge.duffel.fail("list", 200, {"data": [offer("1.00", way(fare_brand_name="\ud800"))]})
    answer = bridge.search()
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (500, 141)
    assert capsys.readouterr().err == ""  # no bug is reported
