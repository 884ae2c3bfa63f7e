"""Turns a search into a request to Duffel, and refuses what Duffel cannot be asked."""

from typing import Any

from bridge.refusals import refusal
from protocol.errors import AmadeusError
from protocol.request.search import Direction, Search, TravelerType

# Ages on the day of the last slice.
PASSENGERS: dict[TravelerType, dict[str, str | int]] = {
    "ADULT": {"type": "adult"},
    "SENIOR": {"type": "adult"},
    "YOUNG": {"type": "adult"},
    "STUDENT": {"type": "adult"},
    "CHILD": {"age": 8},
    "HELD_INFANT": {"age": 1},
}


def refusals(search: Search) -> list[AmadeusError]:
    """Return an error for each part of the search that Duffel does not support."""
    return [
        refusal(search, "not supported by Duffel", pointer=f"/travelers/{number}/travelerType")
        for number, traveler in enumerate(search.travelers)
        if traveler.type not in PASSENGERS
    ]


def request_for(search: Search) -> dict[str, Any]:
    """Return the offer request for a search."""
    request: dict[str, Any] = {
        "slices": [_slice(direction) for direction in search.directions],
        "passengers": [PASSENGERS[traveler.type] for traveler in search.travelers],
        "max_connections": search.max_changes,
    }
    cabin = search.directions[0].cabin
    if cabin is not None:
        request["cabin_class"] = cabin.lower()
    return request


def _slice(direction: Direction) -> dict[str, Any]:
    return {
        "origin": direction.origins[0],
        "destination": direction.destinations[0],
        "departure_date": direction.date.isoformat(),
        "departure_time": _times(direction.minutes),
        "arrival_time": _times(direction.arrival.minutes if direction.arrival else None),
    }


def _times(window: tuple[int, int] | None) -> dict[str, str] | None:
    if window is None:
        return None
    first, last = (min(one, 24 * 60 - 1) for one in window)
    return {
        "from": f"{first // 60:02}:{first % 60:02}",
        "to": f"{last // 60:02}:{last % 60:02}",
    }
