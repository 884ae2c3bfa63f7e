"""Parses the body of `POST /v2/shopping/flight-offers`.

Its format is `GetFlightOffersQuery` in the official OpenAPI file. `ignored` names what is not read.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from protocol.errors import MAX_ERRORS, AmadeusError, InvalidSearch
from protocol.request.search import MAX_OFFERS, Cabin, TravelerType

_SEARCH_CODES = {
    "missing": (32171, "missing mandatory field"),
    "too_short": (477, "at least one is needed"),
    "too_long": (10661, None),
}

# The OpenAPI file gives some counts the type number, so 2.0 is valid too.
Count = Annotated[float, Field(multiple_of=1)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
AirlineCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{2}$")]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, extra="allow")


class DateTimeRange(_Model):
    """The dates and times of a departure or an arrival."""

    date: str
    time: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")] | None = (
        None
    )
    date_window: Annotated[str, Field(pattern=r"^[MPI][1-3]D$")] | None = None
    time_window: Annotated[str, Field(pattern=r"^([1-9]|10|11|12)H$")] | None = None


class OriginDestination(_Model):
    """One direction of the journey."""

    id: str
    origin_location_code: Code
    destination_location_code: Code
    departure_date_time_range: DateTimeRange
    arrival_date_time_range: DateTimeRange | None = None
    origin_radius: Annotated[float, Field(ge=0, le=300)] = 0
    destination_radius: Annotated[float, Field(ge=0, le=300)] = 0
    alternative_origins_codes: Annotated[list[Code], Field(min_length=1, max_length=2)] = []
    alternative_destinations_codes: Annotated[list[Code], Field(min_length=1, max_length=2)] = []
    included_connection_points: Annotated[list[Code], Field(min_length=1, max_length=2)] = []
    excluded_connection_points: Annotated[list[Code], Field(min_length=1, max_length=3)] = []


class TravelerInfo(_Model):
    """One traveller."""

    id: str
    traveler_type: TravelerType
    associated_adult_id: str | None = None


class CarrierRestrictions(_Model):
    """Airlines to include or to exclude."""

    included_carrier_codes: Annotated[list[AirlineCode], Field(min_length=1, max_length=99)] = []
    excluded_carrier_codes: Annotated[list[AirlineCode], Field(min_length=1, max_length=99)] = []


class CabinRestriction(_Model):
    """The lowest cabin, for some directions or for all."""

    cabin: Cabin
    coverage: (
        Annotated[str, Field(pattern="^(MOST_SEGMENTS|AT_LEAST_ONE_SEGMENT|ALL_SEGMENTS)$")] | None
    ) = None
    origin_destination_ids: Annotated[list[str], Field(fail_fast=True)] | None = None


class ConnectionRestriction(_Model):
    """The maximum number of changes of plane, and whether a flight may stop on its way."""

    max_number_of_connections: Annotated[Count, Field(ge=0, le=2)] = 2
    non_stop_preferred: bool = False
    technical_stops_allowed: bool = True


class FlightFilters(_Model):
    """Filters of the result."""

    carrier_restrictions: CarrierRestrictions = CarrierRestrictions()
    cabin_restrictions: Annotated[list[CabinRestriction], Field(min_length=1, max_length=6)] = []
    connection_restriction: ConnectionRestriction = ConnectionRestriction()
    return_to_departure_airport: bool = False
    max_flight_time: Annotated[float, Field(ge=100)] | None = None


class PricingOptions(_Model):
    """Required conditions of the fare."""

    included_checked_bags_only: bool = False
    refundable_fare: bool = False
    no_restriction_fare: bool = False
    no_penalty_fare: bool = False


class AdditionalInformation(_Model):
    """What offers should show. They always name the branded fare if it has one."""

    branded_fares: bool = False


class SearchCriteria(_Model):
    """All options that narrow the search."""

    max_flight_offers: Annotated[Count, Field(ge=1, le=MAX_OFFERS)] = MAX_OFFERS
    max_price: Annotated[int, Field(ge=1)] | None = None
    one_flight_offer_per_day: bool = False
    pricing_options: PricingOptions = PricingOptions()
    flight_filters: FlightFilters = FlightFilters()
    additional_information: AdditionalInformation = AdditionalInformation()


class FlightOffersQuery(_Model):
    """The whole body."""

    currency_code: Code | None = None
    origin_destinations: Annotated[list[OriginDestination], Field(min_length=1, max_length=6)]
    travelers: Annotated[list[TravelerInfo], Field(min_length=1, max_length=18)]
    sources: Annotated[
        list[Annotated[str, Field(pattern="^GDS$")]], Field(min_length=1, fail_fast=True)
    ]
    search_criteria: SearchCriteria = SearchCriteria()


# Values that ask for nothing, or for what every offer is: published, in the standard fare option.
# The last two come from samples that are older than the OpenAPI file. Any other unknown field may
# ask for something.
_USUAL: dict[str, object] = {
    "addOneWayOffers": False,
    "allowAlternativeFareOptions": False,
    "blacklistedInEUAllowed": False,
    "chargeableCheckedBags": False,
    "crossBorderAllowed": False,
    "excludeAllotments": False,
    "moreOvernightsAllowed": False,
    "fareOptions": ["STANDARD"],
    "fareType": ["PUBLISHED"],
}


def ignored(query: FlightOffersQuery) -> Iterator[str]:
    """Yield a pointer to each field of the body that has no effect, MAX_ERRORS at most."""
    yield from islice(_ignored(query), MAX_ERRORS)


def _ignored(query: FlightOffersQuery) -> Iterator[str]:
    yield from _unknown(query, "")
    for number, direction in enumerate(query.origin_destinations):
        for name, range_ in (
            ("departureDateTimeRange", direction.departure_date_time_range),
            ("arrivalDateTimeRange", direction.arrival_date_time_range),
        ):
            if range_ is not None and range_.time is None and range_.time_window is not None:
                yield f"/originDestinations/{number}/{name}/timeWindow"
    filters, pointer = query.search_criteria.flight_filters, "/searchCriteria/flightFilters"
    for number, restriction in enumerate(filters.cabin_restrictions):
        if restriction.coverage not in {None, "MOST_SEGMENTS"}:
            yield f"{pointer}/cabinRestrictions/{number}/coverage"
    if filters.connection_restriction.non_stop_preferred:
        yield f"{pointer}/connectionRestriction/nonStopPreferred"


def _unknown(part: Any, pointer: str) -> Iterator[str]:
    if isinstance(part, list):
        for number, item in enumerate(part):
            yield from _unknown(item, f"{pointer}/{number}")
    elif isinstance(part, BaseModel):
        for name, value in (part.model_extra or {}).items():
            if name not in _USUAL or value != _USUAL[name]:
                yield f"{pointer}/{name}"
        for name in type(part).model_fields:
            yield from _unknown(getattr(part, name), f"{pointer}/{to_camel(name)}")


def read_body(body: bytes) -> FlightOffersQuery:
    """Parse the body of a POST.

    Raises InvalidSearch with 477 (malformed), 32171 (missing) or 10661 (too many) for each error.
    """
    try:
        return FlightOffersQuery.model_validate_json(body)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)
    errors = []
    for item in items:
        code, detail = _SEARCH_CODES.get(item["type"], (477, None))
        if item["type"] == "too_short" and len(item["loc"]) == 1:
            code = 32171  # only the top-level lists are mandatory
        pointer = "".join(f"/{part}" for part in item["loc"])
        errors.append(AmadeusError(code, detail or item["msg"], pointer=pointer))
    raise InvalidSearch(errors)
