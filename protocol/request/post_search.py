"""Converts the body of a POST to a search, and checks what its schema does not."""

import datetime as dt
from collections import Counter

from protocol.errors import AmadeusError, InvalidSearch
from protocol.reference.airports import Airports
from protocol.reference.currencies import CURRENCIES
from protocol.request.get_query import dates_allowed, read_date
from protocol.request.post_body import (
    DateTimeRange,
    FlightOffersQuery,
    OriginDestination,
    ignored,
    read_body,
)
from protocol.request.search import (
    MAX_SEATS,
    MINUTES_OF_DAY,
    Cabin,
    Direction,
    Search,
    Traveler,
    Window,
)


def search_from_body(body: bytes, now: float, airports: Airports) -> Search:
    """Parse the body of a POST; `now` is in seconds since the epoch.

    Raises InvalidSearch with all errors.
    """
    return _PostSearch(read_body(body), now, airports).search()


class _PostSearch:
    def __init__(self, query: FlightOffersQuery, now: float, airports: Airports) -> None:
        self._query = query
        self._first, self._last = dates_allowed(now)
        self._airports = airports
        self._errors: list[AmadeusError] = []

    def search(self) -> Search:
        criteria = self._query.search_criteria
        filters = criteria.flight_filters
        carriers = filters.carrier_restrictions
        cabins = self._cabins()
        wanted = self._query.origin_destinations
        directions = [self._direction(n, one, cabins[one.id]) for n, one in enumerate(wanted)]
        self._check_order(directions)
        self._check_travelers()
        currency = CURRENCIES.get(self._query.currency_code or "")
        if self._query.currency_code is not None and currency is None:
            self._add_error(4926, "unknown currency", "/currencyCode")
        if carriers.included_carrier_codes and carriers.excluded_carrier_codes:
            self._add_error(
                2668,
                "includedCarrierCodes and excludedCarrierCodes cannot be used together",
                "/searchCriteria/flightFilters/carrierRestrictions",
            )
        if self._errors:
            raise InvalidSearch(self._errors)
        fares = criteria.pricing_options
        return Search(
            directions=tuple(directions),
            travelers=tuple(
                Traveler(one.id, one.traveler_type, one.associated_adult_id)
                for one in self._query.travelers
            ),
            currency=currency,
            max_offers=int(criteria.max_flight_offers),
            max_changes=int(filters.connection_restriction.max_number_of_connections),
            technical_stops=filters.connection_restriction.technical_stops_allowed,
            included=frozenset(carriers.included_carrier_codes),
            excluded=frozenset(carriers.excluded_carrier_codes),
            max_price=criteria.max_price,
            checked_bags=fares.included_checked_bags_only,
            refundable=fares.refundable_fare or fares.no_restriction_fare or fares.no_penalty_fare,
            free_to_change=fares.no_restriction_fare or fares.no_penalty_fare,
            max_time_percent=filters.max_flight_time,
            same_airport=filters.return_to_departure_airport,
            one_per_day=criteria.one_flight_offer_per_day,
            branded=criteria.additional_information.branded_fares,
            posted=True,
            ignored=tuple(ignored(self._query)),
        )

    def _direction(self, number: int, wanted: OriginDestination, cabin: Cabin | None) -> Direction:
        pointer = f"/originDestinations/{number}"
        origins = [wanted.origin_location_code, *wanted.alternative_origins_codes]
        destinations = [wanted.destination_location_code, *wanted.alternative_destinations_codes]
        self._check_known(origins[0], f"{pointer}/originLocationCode")
        self._check_known(destinations[0], f"{pointer}/destinationLocationCode")
        for code in origins[1:]:
            self._check_known(code, f"{pointer}/alternativeOriginsCodes")
        for code in destinations[1:]:
            self._check_known(code, f"{pointer}/alternativeDestinationsCodes")
        if origins[0] == destinations[0]:
            self._add_error(2668, "origin and destination are the same", pointer)
        departure, arrival = wanted.departure_date_time_range, wanted.arrival_date_time_range
        self._check_radius(wanted, pointer)
        date = self._date(departure.date, f"{pointer}/departureDateTimeRange/date")
        return Direction(
            id=wanted.id,
            origins=tuple(origins + self._airports.near(origins[0], wanted.origin_radius)),
            destinations=tuple(
                destinations + self._airports.near(destinations[0], wanted.destination_radius)
            ),
            date=date,
            cabin=cabin,
            days=tuple(
                day
                for day in _days(departure.date_window)
                if self._first <= date + dt.timedelta(days=day) <= self._last
            ),
            minutes=_minutes(departure.time, departure.time_window),
            near=_near(departure.time, departure.time_window),
            arrival=self._window(arrival, f"{pointer}/arrivalDateTimeRange/date")
            if arrival
            else None,
            via=frozenset(wanted.included_connection_points),
            not_via=frozenset(wanted.excluded_connection_points),
        )

    def _window(self, wanted: DateTimeRange, pointer: str) -> Window:
        date = self._date(wanted.date, pointer)
        dates = [date + dt.timedelta(days=day) for day in _days(wanted.date_window)]
        return Window(
            frozenset(dates),
            _minutes(wanted.time, wanted.time_window),
            _near(wanted.time, wanted.time_window),
        )

    def _check_radius(self, wanted: OriginDestination, pointer: str) -> None:
        ranges = wanted.departure_date_time_range, wanted.arrival_date_time_range
        if not any(one and (one.date_window or one.time_window) for one in ranges):
            return
        for name, km in (
            ("originRadius", wanted.origin_radius),
            ("destinationRadius", wanted.destination_radius),
        ):
            if km:
                self._add_error(
                    2668, "not together with dateWindow or timeWindow", f"{pointer}/{name}"
                )

    def _date(self, text: str, pointer: str) -> dt.date:
        try:
            return read_date(text, self._first, self._last)
        except AmadeusError as error:
            error.source = {"pointer": pointer}
            self._errors.append(error)
            return self._last

    def _cabins(self) -> dict[str, Cabin | None]:
        """Return the lowest cabin of each direction, if any, by the direction's id."""
        restrictions = self._query.search_criteria.flight_filters.cabin_restrictions
        cabins: dict[str, Cabin | None] = dict.fromkeys(
            one.id for one in self._query.origin_destinations
        )
        if len(cabins) < len(self._query.origin_destinations):
            self._add_error(2668, "two directions have the same id", "/originDestinations")
        for number, restriction in enumerate(restrictions):
            for direction_id in restriction.origin_destination_ids or list(cabins):
                if direction_id not in cabins:
                    pointer = f"/searchCriteria/flightFilters/cabinRestrictions/{number}"
                    self._add_error(4926, "unknown id of a direction", pointer)
                cabins[direction_id] = restriction.cabin
        return cabins

    def _check_order(self, directions: list[Direction]) -> None:
        dates = [direction.date for direction in directions]
        if dates != sorted(dates) and not self._errors:
            self._add_error(
                425, "the directions are not in the order of time", "/originDestinations"
            )

    def _check_travelers(self) -> None:
        people = self._query.travelers
        types = {one.id: one.traveler_type for one in people}
        laps = Counter(
            one.associated_adult_id for one in people if one.traveler_type == "HELD_INFANT"
        )
        if len(types) < len(people):
            self._add_error(2668, "two travelers have the same id", "/travelers")
        if len(people) - laps.total() > MAX_SEATS:
            self._add_error(10661, f"at most {MAX_SEATS} seated travelers", "/travelers")
        for number, one in enumerate(people):
            pointer = f"/travelers/{number}/associatedAdultId"
            adult = one.associated_adult_id
            if one.traveler_type != "HELD_INFANT":
                continue
            if adult is None:
                self._add_error(32171, "a held infant needs an adult", pointer)
            elif types.get(adult) not in {"ADULT", "SENIOR", "YOUNG", "STUDENT"}:
                self._add_error(4926, "there is no such adult", pointer)
            elif laps[adult] > 1:
                self._add_error(2668, "more than one infant with one adult", pointer)

    def _check_known(self, code: str, pointer: str) -> None:
        if not self._airports.airports_of(code):
            self._add_error(4926, "unknown city or airport code", pointer)

    def _add_error(self, code: int, detail: str, pointer: str) -> None:
        self._errors.append(AmadeusError(code, detail, pointer=pointer))


def _days(window: str | None) -> range:
    """Return the days of a window relative to its date.

    `I3D` is three days before to three days after, `P3D` ends three days after, and `M3D` starts
    three days before.
    """
    if window is None:
        return range(1)
    kind, width = window[0], int(window[1])
    return range(-width if kind in "IM" else 0, (width if kind in "IP" else 0) + 1)


def _minutes(time: str | None, window: str | None) -> tuple[int, int] | None:
    if time is None or window is None:
        return None
    at = _minute(time)
    width = int(window[:-1]) * 60
    return max(0, at - width), min(MINUTES_OF_DAY, at + width)


def _near(time: str | None, window: str | None) -> int | None:
    """Return the minute of a time without a window, which is only approximate."""
    return _minute(time) if time is not None and window is None else None


def _minute(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:5])
