"""What a provider's failures mean to a client of Amadeus. A provider's words never reach it."""

from http import HTTPStatus

from protocol.errors import AmadeusError

_CODES = {
    HTTPStatus.UNAUTHORIZED: 39686,
    HTTPStatus.FORBIDDEN: 39686,
    HTTPStatus.PAYMENT_REQUIRED: 38195,
    HTTPStatus.TOO_MANY_REQUESTS: 38194,
}


class CallFailed(Exception):
    """A provider gave no answer that can be read.

    may_repeat: whether the same call may succeed if it is sent again at once.
    """

    def __init__(self, reason: str, *, may_repeat: bool = False) -> None:
        super().__init__(reason)
        self.may_repeat = may_repeat


class ProviderError(Exception):
    """A provider answered with an error.

    retry_after: seconds until it may be asked again, or None. details: the provider's own errors.
    """

    def __init__(self, status: int, retry_after: int | None, details: list[dict[str, object]]):
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after = retry_after
        self.details = details

    def as_amadeus(self) -> AmadeusError:
        """Return the error of Amadeus with the same meaning."""
        if self.status not in _CODES:
            return system_error()
        # On another error it is the end of a window that has nothing to do with the refusal.
        is_limit = self.status == HTTPStatus.TOO_MANY_REQUESTS
        retry_after = self.retry_after if is_limit else None
        return AmadeusError(_CODES[HTTPStatus(self.status)], retry_after=retry_after)


def system_error() -> AmadeusError:
    """Return the error for every failure that a client can do nothing about."""
    return AmadeusError(141)
