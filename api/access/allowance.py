"""Counts against the rate limits of a client, on arrival and later during a request."""

import falcon

from api.access.rate_limit import ClientRateLimit
from api.errors import TooManyRequests
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

log = get_logger()


class Allowance:
    """What a client may still request. This class has no limits."""

    def consume_request(self) -> None:
        """Count a request. Raises TooManyRequests."""

    def consume_nocache(self) -> None:
        """Count a fetch for a client that refuses a fresh price. Raises TooManyRequests."""


class LimitedAllowance(Allowance):
    """What a client may still request within its rate limits, which the response states."""

    def __init__(
        self,
        client: str,
        resp: falcon.Response,
        rate_limit: ClientRateLimit | None,
        nocache_rate_limit: ClientRateLimit | None,
    ) -> None:
        """Create the allowance of one request. A rate limit of None is not counted."""
        self._client = client
        self._resp = resp
        self._rate_limit = rate_limit
        self._nocache_rate_limit = nocache_rate_limit
        self._policies: dict[str, str] = {}
        self._left: dict[str, str] = {}

    def consume_request(self) -> None:
        if self._rate_limit:
            self._count(self._rate_limit, "")

    def consume_nocache(self) -> None:
        if self._nocache_rate_limit:
            self._count(self._nocache_rate_limit, " with nocache or a small max_age")

    def _count(self, rate_limit: ClientRateLimit, what: str) -> None:
        """Count, and state each limit once (draft-ietf-httpapi-ratelimit-headers-10)."""
        result, name = rate_limit.consume(self._client), rate_limit.name
        self._policies[name] = rate_limit.policy
        self._left[name] = f'"{name}";r={result.remaining};t={result.reset}'
        self._resp.set_header("RateLimit-Policy", ", ".join(self._policies.values()))
        self._resp.set_header("RateLimit", ", ".join(self._left.values()))
        if result.retry_after is not None:
            log.warning(Event.CLIENT_REFUSED, client=self._client, code=TooManyRequests.code)
            requests = "request" if rate_limit.per_minute == 1 else "requests"
            raise TooManyRequests(
                f"Rate limit exceeded: {rate_limit.per_minute} {requests}{what} per minute.",
                retry_after=result.retry_after,
            )


_UNLIMITED = Allowance()


def allowance_of(req: falcon.Request) -> Allowance:
    """Return the allowance that the gate gave to a request; without a gate there is no limit."""
    allowance: Allowance = getattr(req.context, "allowance", _UNLIMITED)
    return allowance
