"""What Amadeus refuses a search for, in the words that it was asked in here."""

from typing import Final

from api.errors import ParameterError, RejectedByAmadeus, UpstreamError
from api.models import PriceQuery
from api.services.amadeus.replies import ErrorReply

# Amadeus's name for each parameter (docs/amadeus.md, section "Flight offers search"), and ours.
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
# Of a parameter that holds a code, "invalid data" means that there is no such code.
UNKNOWN_CODE: Final = "4926"
_KINDS: Final = {
    "origin": "city or airport",
    "destination": "city or airport",
    "currency": "currency",
}


def to_domain_error(error_reply: ErrorReply, query: PriceQuery) -> UpstreamError:
    """What the error reply to a search means to a client."""
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
