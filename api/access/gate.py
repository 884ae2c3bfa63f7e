"""Middleware that checks API keys and rate limits before a request reaches its resource.

Each resource names its audience. A client's key gives no access to the operators' resources, nor
the other way round. The service leaves the gate out if no setting requires a check.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import falcon

from api.access.allowance import LimitedAllowance
from api.access.api_keys import Keys
from api.access.audience import Audience, audience_of
from api.access.client_address import Proxies
from api.access.rate_limit import ClientRateLimit
from api.errors import FlightPriceError, Forbidden, Unauthorized
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
        allowance = self._allowance(client, resp)
        allowance.consume_request()
        if rules.client_keys and holder is None:
            resp.set_header("WWW-Authenticate", BEARER)
            raise _auth_error(client, key, rules.operator_keys)
        req.context.allowance = allowance

    def _admit_operator(self, req: falcon.Request, resp: falcon.Response, challenges: str) -> None:
        rules = self._rules
        key = _key(req)
        if key is not None and rules.operator_keys.holder(key):
            return  # not counted, so that a scraper does not use up its address's limit
        client = self._address(req)
        self._allowance(client, resp).consume_request()
        resp.set_header("WWW-Authenticate", challenges)
        raise _auth_error(client, key, rules.client_keys)

    def _allowance(self, client: str, resp: falcon.Response) -> LimitedAllowance:
        rules = self._rules
        return LimitedAllowance(client, resp, rules.rate_limit, rules.nocache_rate_limit)

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
