"""Turns a search into a request to Ignav, and refuses what Ignav cannot be asked."""

from collections.abc import Iterator
from typing import Any

from bridge.errors import Blame, blamed
from bridge.refusals import refusal
from protocol.errors import AmadeusError
from protocol.reference.currencies import Currency
from protocol.request.search import Direction, Search, TravelerType

_MAX_DIRECTIONS = 4
_MAX_TRAVELERS = 9
_LAST_HOUR = 23

_COUNTS: dict[TravelerType, str] = {
    "ADULT": "adults",
    "SENIOR": "adults",
    "YOUNG": "adults",
    "STUDENT": "adults",
    "CHILD": "children",
    "SEATED_INFANT": "infants_in_seat",
    "HELD_INFANT": "infants_on_lap",
}


def refusals(search: Search) -> Iterator[AmadeusError]:
    """Yield an error for each part of the search that Ignav does not support."""
    counts = _counts(search)
    if len(search.directions) > _MAX_DIRECTIONS:
        detail = f"at most {_MAX_DIRECTIONS} directions"
        yield refusal(search, detail, pointer="/originDestinations")
    if not counts["adults"]:
        yield refusal(search, "at least one adult", pointer="/travelers")
    if len(search.travelers) > _MAX_TRAVELERS:
        detail = f"at most {_MAX_TRAVELERS} travelers, held infants included"
        yield refusal(search, detail, parameter="infants", pointer="/travelers")
    if search.refundable or search.free_to_change:
        pointer = "/searchCriteria/pricingOptions"
        yield refusal(search, "Ignav does not say what can be refunded", pointer=pointer)
    if search.branded:
        pointer = "/searchCriteria/additionalInformation/brandedFares"
        yield refusal(search, "Ignav does not name branded fares", pointer=pointer)
    if search.currency is not None and _market(search.currency) is None:
        yield blamed(Blame("currency"), search)
    if not search.technical_stops and search.max_changes:
        pointer = "/searchCriteria/flightFilters/connectionRestriction/technicalStopsAllowed"
        yield refusal(search, "Ignav does not say where a flight stops", pointer=pointer)


def request_for(search: Search, airports: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the request for these airports."""
    request: dict[str, Any] = {
        **_counts(search),
        "cabin_class": (search.directions[0].cabin or "ECONOMY").lower(),
        "allow_self_transfer": False,
    }
    if search.currency is not None and (market := _market(search.currency)):
        request["market"] = market
    if search.included:
        request["airlines_include"] = sorted(search.included)
    if search.excluded:
        request["airlines_exclude"] = sorted(search.excluded)
    if search.checked_bags:
        request["min_checked_bags"] = 1
    legs = [_leg(direction, airports, search.max_changes) for direction in search.directions]
    if len(legs) == 1:
        return "/api/fares/one-way", request | legs[0]
    there, *others = map(ends_of, search.directions)
    if others != [there[::-1]]:
        return "/api/fares/search", request | {"legs": legs}
    request |= legs[0] | {"return_date": legs[1]["departure_date"]}
    if times := legs[1].get("departure_time_range"):
        request["return_time_range"] = times
    return "/api/fares/round-trip", request


def ends_of(direction: Direction) -> tuple[str, str]:
    """Return the codes of both ends of a direction: cities or airports."""
    return direction.origins[0], direction.destinations[0]


def _counts(search: Search) -> dict[str, int]:
    counts = dict.fromkeys(_COUNTS.values(), 0)
    for traveler in search.travelers:
        counts[_COUNTS[traveler.type]] += 1
    return counts


def _market(currency: Currency) -> str | None:
    """Return a country that has this currency, which begins with the country's code.

    None for currencies of several countries, whose codes begin with X.
    """
    if currency.code == "EUR":
        return "DE"
    return None if currency.code.startswith("X") else currency.code[:2]


def _leg(direction: Direction, airports: dict[str, str], max_changes: int) -> dict[str, Any]:
    origin, destination = ends_of(direction)
    leg = {
        "origin": airports[origin],
        "destination": airports[destination],
        "departure_date": direction.date.isoformat(),
        "max_stops": max_changes,
    }
    arrival = direction.arrival.minutes if direction.arrival else None
    times = _hours("", direction.minutes) | _hours("arrival_", arrival)
    return leg | ({"departure_time_range": times} if times else {})


def _hours(prefix: str, window: tuple[int, int] | None) -> dict[str, int]:
    """Return hours that include the whole window; `fulfils` compares the minutes."""
    if window is None:
        return {}
    earliest, latest = window[0] // 60, -(-window[1] // 60)
    hours = {f"{prefix}earliest_hour": min(earliest, _LAST_HOUR)}
    return hours | ({f"{prefix}latest_hour": latest} if latest <= _LAST_HOUR else {})
