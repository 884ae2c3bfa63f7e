"""GET /flights/price."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import falcon
from pydantic import ValidationError

from api.access.audience import Audience
from api.errors import InvalidRequest, ParameterError
from api.http.cache_headers import set_cache_headers
from api.models import PriceRequest, parameter_errors_of, unknown_parameter_errors
from api.services.cache.requests import CacheRequest, Outcome
from api.services.deadline import Deadline
from api.services.prices import Prices, log_fields, no_offers

QUOTES_HINT = (
    "Only origin was received. Quote the URL in a shell, because & ends the command:"
    " curl 'http://…/flights/price?origin=JFK&destination=LAX&date=…'"
)
MAX_CACHED_QUERIES: Final = 4096
MAX_CACHED_LENGTH: Final = 256


class ParsedQuery(NamedTuple):
    """A parsed query string, and the cache request for it."""

    request: PriceRequest
    cache_request: CacheRequest


class PriceResource:
    """The cheapest flight from A to B on a day."""

    audience = Audience.CLIENTS

    def __init__(self, prices: Prices, environment: str, request_deadline: float) -> None:
        """Create the resource. request_deadline: seconds that a request may take."""
        self._prices = prices
        self._environment = environment
        self._request_deadline = request_deadline
        self._cached_parse = lru_cache(MAX_CACHED_QUERIES)(self._parse)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        deadline = Deadline(self._request_deadline)
        resp.set_header("X-Amadeus-Environment", self._environment)
        request, cache_request = self._parse_cached(req)
        result = self._prices.cheapest(cache_request, deadline, forced=request.nocache)
        set_cache_headers(req, resp, result)
        if result.outcome is Outcome.HIT:
            times = {"age": round(result.age, 1), "ttl": result.entry.ttl}
            req.context.cache_hit = log_fields(request) | times
        if not result.entry.body:
            raise no_offers(request)
        resp.data = result.entry.body

    on_head = on_get

    def _parse_cached(self, req: falcon.Request) -> ParsedQuery:
        """Return the parsed query, cached because validation costs as much as a hit.

        Validation depends on today's date, which changes on the hour; so parse again each hour.
        """
        parse = self._cached_parse if len(req.query_string) <= MAX_CACHED_LENGTH else self._parse
        return parse(req.query_string, int(time.time() // 3600))

    def _parse(self, query_string: str, _hour: int) -> ParsedQuery:
        request = parse(falcon.uri.parse_query_string(query_string, keep_blank=True))
        return ParsedQuery(request, self._prices.cache_request(request))


def parse(params: Mapping[str, str | list[str]]) -> PriceRequest:
    """Validate the parameters of a URL. Raises InvalidRequest with all errors in them."""
    known = {name: value for name, value in params.items() if name in PriceRequest.model_fields}
    repeated = [name for name, value in known.items() if isinstance(value, list)]
    errors = [ParameterError(name, "must be given only once") for name in repeated]
    try:
        request = PriceRequest.model_validate(known)
    except ValidationError as exc:
        errors += [item for item in parameter_errors_of(exc) if item.parameter not in repeated]
    errors += unknown_parameter_errors([name for name in params if name not in known])
    if not errors:
        return request
    if set(params) == {"origin"}:
        raise InvalidRequest(QUOTES_HINT, errors)
    raise InvalidRequest("; ".join(f"{item.parameter} {item.detail}" for item in errors), errors)
