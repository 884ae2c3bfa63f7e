"""Middleware that checks API keys and rate limits before a request reaches its resource.

Each resource names its audience. A client's key gives no access to the operators' resources, nor
the other way round. The service leaves the gate out if no setting requires a check.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import falcon

from api.access.api_keys import Keys
from api.access.audience import Audience, audience_of
from api.access.client_address import Proxies
from api.access.rate_limit import WINDOW_SECONDS, ClientRateLimit, RateLimitResult
from api.errors import FlightPriceError, Forbidden, TooManyRequests, Unauthorized
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

BEARER: Final = 'Bearer realm="flight-price-api"'
# Makes a browser ask for a password, which is the key. The user name is ignored.
BASIC: Final = 'Basic realm="flight-price-api", charset="UTF-8"'

log = get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gate checks. Empty keys and rate limits of None are not checked."""

    client_keys: Keys
    operator_keys: Keys
    rate_limit: ClientRateLimit | None
    nocache_rate_limit: ClientRateLimit | None
    proxies: Proxies

    def __bool__(self) -> bool:
        return bool(
            self.client_keys or self.operator_keys or self.rate_limit or self.nocache_rate_limit
        )


class Gate:
    """Falcon middleware that requires keys and enforces rate limits."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, _params: object
    ) -> None:
        """Check the request. Raises Unauthorized, Forbidden or TooManyRequests."""
        if req.method == "OPTIONS":  # a CORS preflight carries no key
            return
        audience = audience_of(resource)
        if audience is Audience.CLIENTS:
            self._admit_client(req, resp)
        elif audience is Audience.OPERATORS and self._rules.operator_keys:
            self._admit_operator(req, resp, challenges_of(resource))

    def process_response(
        self, _req: falcon.Request, resp: falcon.Response, resource: object, _succeeded: bool
    ) -> None:
        """Mark responses that required a key as private, so shared caches do not store them."""
        if resource and self._rules.client_keys and audience_of(resource) is Audience.CLIENTS:
            cache_control = resp.get_header("Cache-Control")
            if cache_control and cache_control != "no-store":
                resp.set_header("Cache-Control", f"private, {cache_control}")

    def _admit_client(self, req: falcon.Request, resp: falcon.Response) -> None:
        rules = self._rules
        key = _key(req)
        holder = rules.client_keys.holder(key) if key else None
        # Requests without a valid key count too, to limit the guessing of keys.
        client = holder or self._address(req)
        if rules.rate_limit:
            self._count(resp, client, rules.rate_limit, "")
        if rules.client_keys and holder is None:
            resp.set_header("WWW-Authenticate", BEARER)
            raise _auth_error(client, key, rules.operator_keys)
        if rules.nocache_rate_limit and _is_nocache(req):
            self._count(resp, client, rules.nocache_rate_limit, " with nocache")

    def _admit_operator(self, req: falcon.Request, resp: falcon.Response, challenges: str) -> None:
        rules = self._rules
        key = _key(req)
        if key is not None and rules.operator_keys.holder(key):
            return  # not counted, so that a scraper does not use up its address's limit
        client = self._address(req)
        if rules.rate_limit:
            self._count(resp, client, rules.rate_limit, "")
        resp.set_header("WWW-Authenticate", challenges)
        raise _auth_error(client, key, rules.client_keys)

    def _count(
        self, resp: falcon.Response, client: str, rate_limit: ClientRateLimit, what: str
    ) -> None:
        result = rate_limit.consume(client)
        _set_rate_limit_headers(resp, rate_limit, result)
        if result.retry_after is not None:
            requests = "request" if rate_limit.per_minute == 1 else "requests"
            raise _log_and_return(
                client,
                TooManyRequests(
                    f"Rate limit exceeded: {rate_limit.per_minute} {requests}{what} per minute.",
                    retry_after=result.retry_after,
                ),
            )

    def _address(self, req: falcon.Request) -> str:
        return self._rules.proxies.client(req.remote_addr, req.get_header("X-Forwarded-For"))


def challenges_of(resource: object) -> str:
    """Return the WWW-Authenticate header of a 401 (RFC 9110, section 11.6.1).

    Resources for scripts leave out Basic: a script would hang while the browser asks for the key.
    """
    is_for_scripts = getattr(resource, "is_for_scripts", False)
    return BEARER if is_for_scripts else f"{BASIC}, {BEARER}"


def _key(req: falcon.Request) -> str | None:
    """Return the key in a request's headers, or None."""
    key = req.get_header("X-API-Key")
    if key is not None:
        return key
    scheme, _, credentials = (req.auth or "").partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _password(credentials)
        case _:
            return None


def _password(credentials: str) -> str | None:
    try:
        return base64.b64decode(credentials).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def _is_nocache(req: falcon.Request) -> bool:
    # The query has not been validated yet. An invalid value costs no fetch and does not count.
    values = req.params.get("nocache", "")
    return isinstance(values, str) and values.lower() in ("1", "true")


def _auth_error(client: str, key: str | None, other_keys: Keys) -> FlightPriceError:
    if key is not None and other_keys.holder(key):
        return _log_and_return(client, Forbidden("This API key gives no access to this path."))
    if key is not None:
        return _log_and_return(client, Unauthorized("Unknown API key."))
    return _log_and_return(
        client,
        Unauthorized("API key required: send 'Authorization: Bearer <key>' or 'X-API-Key: <key>'."),
    )


def _log_and_return(client: str, error: FlightPriceError) -> FlightPriceError:
    log.warning(Event.CLIENT_REFUSED, client=client, code=error.code)
    return error


def _set_rate_limit_headers(
    resp: falcon.Response, rate_limit: ClientRateLimit, result: RateLimitResult
) -> None:
    """Add to the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10) one member a limit."""
    resp.append_header(
        "RateLimit-Policy", f'"{rate_limit.name}";q={rate_limit.per_minute};w={WINDOW_SECONDS}'
    )
    resp.append_header("RateLimit", f'"{rate_limit.name}";r={result.remaining};t={result.reset}')
