"""Refuses parts of a search that no provider supports, so that none is silently ignored."""

from collections.abc import Iterable

from protocol.errors import AmadeusError, InvalidSearch
from protocol.request.search import Direction, Search


def refusal(search: Search, detail: str, *, parameter: str = "", pointer: str) -> AmadeusError:
    """Return the error for a part of a search that cannot be fulfilled.

    parameter: its name in a GET. pointer: its place in the body of a POST.
    """
    if search.posted or not parameter:
        return AmadeusError(2668, detail, pointer=pointer)
    return AmadeusError(2668, detail, parameter=parameter)


def refuse(search: Search, more: Iterable[AmadeusError]) -> None:
    """Raise InvalidSearch for all parts of a search that are not supported.

    more: errors for the parts that this provider does not support.
    """
    errors = [*_refusals(search), *more]
    if errors:
        raise InvalidSearch(errors)


def _refusals(search: Search) -> list[AmadeusError]:
    """Return an error for each part of a search that no provider supports."""
    errors = [
        refusal(search, "not supported by this server", parameter=name, pointer=name)
        for name in search.ignored
    ]
    for number, direction in enumerate(search.directions):
        errors += _of_direction(search, direction, f"/originDestinations/{number}")
    if len({direction.cabin for direction in search.directions}) > 1:
        pointer = "/searchCriteria/flightFilters/cabinRestrictions"
        errors.append(refusal(search, "not supported for some directions only", pointer=pointer))
    if search.max_price is not None and len({one.type for one in search.travelers}) > 1:
        # Providers name the price of the whole party only.
        errors.append(
            refusal(
                search,
                "not supported for travelers of several types",
                parameter="maxPrice",
                pointer="/searchCriteria/maxPrice",
            )
        )
    return errors


def _of_direction(search: Search, direction: Direction, pointer: str) -> list[AmadeusError]:
    arrival = direction.arrival
    unsupported = {
        "originLocationCode": len(direction.origins) > 1,
        "destinationLocationCode": len(direction.destinations) > 1,
        "departureDateTimeRange/dateWindow": direction.days != (0,),
        "arrivalDateTimeRange/dateWindow": arrival is not None and len(arrival.dates) > 1,
    }
    return [
        refusal(
            search,
            "neither alternatives, nor a radius, nor a window of dates are supported",
            pointer=f"{pointer}/{place}",
        )
        for place, is_asked in unsupported.items()
        if is_asked
    ]
