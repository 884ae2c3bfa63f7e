"""The errors of the service, with the status and code of each.

    FlightPriceError
    ├── InvalidRequest          400 invalid-request        the request is malformed
    ├── Unauthorized            401 unauthorized           the API key is missing or unknown
    ├── Forbidden               403 forbidden              the API key is for another part
    ├── NoOffers                404 no-offers              there are no offers that day
    ├── NotKnown                404 not-known              the price is not cached
    ├── TooManyRequests         429 too-many-requests      the client exceeds its rate limit
    ├── NotInTime               503 not-in-time            no day of a calendar was started
    └── UpstreamError                                      Amadeus gave no usable answer
        ├── RejectedByAmadeus     400 rejected-by-amadeus    it rejected the search
        ├── AmadeusMisconfigured  502 amadeus-misconfigured  it rejected our credentials
        ├── AmadeusBadAnswer      502 amadeus-bad-answer     its answer cannot be read
        ├── AmadeusUnavailable    503 amadeus-unavailable    it is down, or calls are paused
        │   ├── AmadeusUnreachable  503 amadeus-unavailable  it cannot be reached
        │   └── AmadeusPaused       503 amadeus-unavailable  it said when to call again
        ├── AmadeusQuota          503 amadeus-quota          the monthly quota is used up
        └── AmadeusTimeout        504 amadeus-timeout        it did not answer in time

The class of an error defines status, code and title. An instance adds a `detail` for the reader.
A detail never contains text from the SDK, a secret or a stack trace.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

import orjson

PROBLEM_MEDIA_TYPE = "application/problem+json"
# The default if the error states no time.
RETRY_AFTER_SECONDS = 5
PROBLEM_TYPE_PREFIX = "urn:problem-type:flight-price-api:"


class FlightPriceError(Exception):
    """Base of all errors that reach a client."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str,
        parameter_errors: "Sequence[ParameterError]" = (),
        *,
        retry_after: float | None = None,
    ) -> None:
        """`parameter_errors`: each parameter that is known to be invalid.

        `retry_after`: seconds until a retry makes sense, if known.
        """
        super().__init__(detail)
        self.detail = detail
        self.parameter_errors = tuple(parameter_errors)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ParameterError:
    """An error in one query parameter; `detail` says what is valid."""

    parameter: str
    detail: str


class InvalidRequest(FlightPriceError):
    """The request is malformed; `parameter_errors` lists all errors."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid-request"
    title = "Invalid request"


class Unauthorized(FlightPriceError):
    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    title = "API key required"


class Forbidden(FlightPriceError):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "Access denied"


class NoOffers(FlightPriceError):
    status = HTTPStatus.NOT_FOUND
    code = "no-offers"
    title = "No flight offers"


class NotKnown(FlightPriceError):
    status = HTTPStatus.NOT_FOUND
    code = "not-known"
    title = "Price not known"


class TooManyRequests(FlightPriceError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-requests"
    title = "Too many requests"


class NotInTime(FlightPriceError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "not-in-time"
    title = "Not fetched in time"


class UpstreamError(FlightPriceError):
    """Amadeus gave no usable answer, or was not called because it would give none.

    `stale_helps`: whether the last known price is a better answer than this error.
    """

    stale_helps: ClassVar[bool] = True

    def __init__(
        self,
        detail: str,
        parameter_errors: Sequence[ParameterError] = (),
        *,
        retry_after: float | None = None,
        may_pass: bool = False,
    ) -> None:
        """may_pass: an immediate retry makes sense (docs/amadeus.md, section "Retries")."""
        super().__init__(detail, parameter_errors, retry_after=retry_after)
        self.may_pass = may_pass


class RejectedByAmadeus(UpstreamError):
    status = HTTPStatus.BAD_REQUEST
    code = "rejected-by-amadeus"
    title = "Amadeus rejected the search"
    stale_helps = False


class AmadeusMisconfigured(UpstreamError):
    status = HTTPStatus.BAD_GATEWAY
    code = "amadeus-misconfigured"
    title = "Amadeus rejected this service's credentials"


class AmadeusBadAnswer(UpstreamError):
    status = HTTPStatus.BAD_GATEWAY
    code = "amadeus-bad-answer"
    title = "Amadeus sent an invalid answer"


class AmadeusUnavailable(UpstreamError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "amadeus-unavailable"
    title = "Amadeus is unavailable"


class AmadeusUnreachable(AmadeusUnavailable):
    """The connection to Amadeus failed; `__cause__` says why."""


class AmadeusPaused(AmadeusUnavailable):
    """Amadeus refuses calls, and said for how long: `retry_after`."""


class AmadeusQuota(UpstreamError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "amadeus-quota"
    title = "The Amadeus quota is used up"


class AmadeusTimeout(UpstreamError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "amadeus-timeout"
    title = "Amadeus did not answer in time"


# AmadeusUnreachable and AmadeusPaused are not among them: they share the code of their base class.
UPSTREAM_ERRORS: Mapping[str, type[UpstreamError]] = {
    error.code: error for error in UpstreamError.__subclasses__()
}

# Every error that a request for a price can end with.
PRICE_ERRORS: Final[tuple[type[FlightPriceError], ...]] = (
    *(InvalidRequest, Unauthorized, Forbidden, NoOffers, NotKnown, TooManyRequests),
    *UPSTREAM_ERRORS.values(),
)
# Every error that a request for a calendar can end with, or that one of its days can have.
CALENDAR_ERRORS: Final = (*(error for error in PRICE_ERRORS if error is not NoOffers), NotInTime)

# Every code that a client may get: those of the errors above, and some that have no class.
CODES: Final = (
    *(error.code for error in PRICE_ERRORS),
    NotInTime.code,
    *("not-found", "method-not-allowed", "internal-error"),
)


def dump_upstream_error(error: UpstreamError) -> bytes:
    """Serialize an error, to share it between workers; `load_upstream_error` reads it."""
    parameter_errors = [[item.parameter, item.detail] for item in error.parameter_errors]
    return json.dumps([error.code, error.detail, error.retry_after, *parameter_errors]).encode()


def load_upstream_error(raw: bytes) -> UpstreamError:
    """Read what `dump_upstream_error` wrote; return AmadeusUnavailable for anything else."""
    with suppress(KeyError, TypeError, ValueError):
        # Unlike json, orjson rejects infinite numbers and nesting that overflows Python's stack.
        match orjson.loads(raw):
            case [str(code), str(detail), None | int() | float() as retry_after, *items]:
                parameter_errors = [ParameterError(*item) for item in items]
                return UPSTREAM_ERRORS[code](detail, parameter_errors, retry_after=retry_after)
    return AmadeusUnavailable("Amadeus failed a moment ago.")


def problem(
    status: HTTPStatus, code: str, title: str, detail: str, request_id: str
) -> dict[str, object]:
    """Return a problem document (RFC 9457)."""
    return {
        "type": f"{PROBLEM_TYPE_PREFIX}{code}",
        "title": title,
        "status": status.value,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem_of(error: FlightPriceError, request_id: str) -> dict[str, object]:
    """Return the problem document of an error."""
    document = problem(error.status, error.code, error.title, error.detail, request_id)
    if error.parameter_errors:
        document["errors"] = [
            {"parameter": item.parameter, "detail": item.detail} for item in error.parameter_errors
        ]
    return document


def retry_after_seconds(error: FlightPriceError) -> int | None:
    """Return the value of Retry-After (RFC 9110, section 10.2.3) in whole seconds, or None."""
    if error.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return None
    if error.retry_after is None:
        return RETRY_AFTER_SECONDS
    return max(1, math.ceil(error.retry_after))
