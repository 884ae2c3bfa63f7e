"""What a provider's failures mean to a client of Amadeus. A provider's words never reach it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from protocol.errors import AmadeusError
from protocol.request.search import Search

_INVALID = 477
_CODES: dict[int, int] = {
    # Only this search is refused, so it must not count as a failure of the upstream.
    HTTPStatus.BAD_REQUEST: _INVALID,
    HTTPStatus.UNPROCESSABLE_ENTITY: _INVALID,
    HTTPStatus.UNAUTHORIZED: 39686,
    HTTPStatus.FORBIDDEN: 39686,
    HTTPStatus.PAYMENT_REQUIRED: 38195,
    HTTPStatus.TOO_MANY_REQUESTS: 38194,
}
_REQUEST_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


class Blame(NamedTuple):
    """The part of a search that a provider refuses."""

    part: Literal["origin", "destination", "date", "currency"]
    direction: int = 0
    """The number of the direction, from 0."""


class CallFailed(Exception):
    """A provider gave no answer that can be read.

    may_repeat: whether the same call may succeed if it is sent again at once.
    """

    def __init__(self, reason: str, *, may_repeat: bool = False) -> None:
        super().__init__(reason)
        self.may_repeat = may_repeat


class ProviderError(Exception):
    """A provider answered with an error.

    names: type and code of the error. retry_after: seconds until the provider accepts a call, if
    known. blame: the part of the search that it refuses, if known.
    """

    def __init__(
        self,
        status: int,
        *names: Any,
        retry_after: int | None = None,
        blame: Blame | None = None,
    ) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.names = names
        self.retry_after = retry_after
        self.blame = blame if status in _REQUEST_REFUSED else None

    def as_amadeus(self, search: Search) -> AmadeusError:
        """Return the error of Amadeus with the same meaning."""
        if self.blame is not None:
            return blamed(self.blame, search)
        if self.status not in _CODES:
            return system_error()
        code = _CODES[self.status]
        detail = "the provider refuses this search" if code == _INVALID else None
        return AmadeusError(code, detail, retry_after=self.retry_after)


@contextmanager
def translated(search: Search) -> Iterator[None]:
    """Turn a provider's failure into the error of Amadeus with the same meaning."""
    try:
        yield
    except CallFailed:
        raise system_error() from None
    except ProviderError as error:
        raise error.as_amadeus(search) from None


def system_error() -> AmadeusError:
    """Return the error for every failure that a client can do nothing about."""
    return AmadeusError(141)


def blamed(blame: Blame, search: Search) -> AmadeusError:
    """Return the error for a part of a search that a provider refuses."""
    code, detail = 4926, "unknown city or airport code"
    is_return = blame.direction == 1
    pointer = f"/originDestinations/{blame.direction}"
    match blame.part:
        case "currency":
            detail, parameter, pointer = "no offers in this currency", "currencyCode", ""
            place = parameter
        case "date":
            code, detail = 425, ""
            parameter = "returnDate" if is_return else "departureDate"
            place = "departureDateTimeRange/date"
        case end:
            place = f"{end}LocationCode"
            # The ends of the way back are swapped.
            is_first = (end == "origin") != is_return
            parameter = "originLocationCode" if is_first else "destinationLocationCode"
    if search.posted:
        return AmadeusError(code, detail or None, pointer=f"{pointer}/{place}")
    return AmadeusError(code, detail or None, parameter=parameter)
