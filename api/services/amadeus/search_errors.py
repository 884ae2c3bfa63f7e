"""Errors of a search, translated to this service's names of the parameters."""

from typing import Final

from api.errors import ParameterError, RejectedByAmadeus, UpstreamError
from api.models import PriceQuery
from api.services.amadeus.replies import ErrorReply

# Maps Amadeus's parameters (docs/amadeus.md, section "Flight offers search") to ours.
PARAMETERS: Final = {
    "originLocationCode": "origin",
    "destinationLocationCode": "destination",
    "departureDate": "date",
    "returnDate": "return_date",
    "adults": "adults",
    "children": "children",
    "infants": "infants",
    "currencyCode": "currency",
    "travelClass": "cabin",
    "nonStop": "nonstop",
}
# "Invalid data received": for a parameter that holds a code, there is no such code.
UNKNOWN_CODE: Final = "4926"
_KINDS: Final = {
    "origin": "city or airport",
    "destination": "city or airport",
    "currency": "currency",
}


def to_domain_error(error_reply: ErrorReply, query: PriceQuery) -> UpstreamError:
    """Return the error to raise for an error reply to a search."""
    error = error_reply.error()
    named = [PARAMETERS[name] for name in error_reply.parameters if name in PARAMETERS]
    if not isinstance(error, RejectedByAmadeus) or not named:
        return error
    if error_reply.code == UNKNOWN_CODE and _KINDS.keys() >= set(named):
        unknown = " or ".join(f"the {_KINDS[name]} {getattr(query, name)}" for name in named)
        return RejectedByAmadeus(
            f"Amadeus does not know {unknown} ({error_reply.code}).",
            [ParameterError(name, "is unknown to Amadeus") for name in named],
        )
    return RejectedByAmadeus(
        f"{error.detail} Check {' and '.join(named)}.",
        [ParameterError(name, "was rejected by Amadeus") for name in named],
    )
