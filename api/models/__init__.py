"""The API's requests and responses. They do not depend on Amadeus's formats."""

from api.models.answers import (
    Airline,
    CalendarEnd,
    FlightCalendar,
    FlightOffer,
    FlightPrice,
    Itinerary,
    Segment,
    format_price,
)
from api.models.calendar import CalendarRequest
from api.models.fields import bookable_days
from api.models.parameter_errors import parameter_errors_of, unknown_parameter_errors
from api.models.queries import PriceQuery, PriceRequest

__all__ = [
    "Airline",
    "CalendarEnd",
    "CalendarRequest",
    "FlightCalendar",
    "FlightOffer",
    "FlightPrice",
    "Itinerary",
    "PriceQuery",
    "PriceRequest",
    "Segment",
    "bookable_days",
    "format_price",
    "parameter_errors_of",
    "unknown_parameter_errors",
]
