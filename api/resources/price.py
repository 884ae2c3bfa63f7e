"""GET /flights/price and GET /flights/offer."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import falcon

from api.access.allowance import allowance_of
from api.access.audience import Audience
from api.http.cache_headers import set_cache_headers, set_etag
from api.models import PriceRequest
from api.resources.parameters import parse
from api.services.cache.requests import CacheRequest, CacheResult, Outcome
from api.services.deadline import Deadline
from api.services.prices import Prices, log_fields, no_offers, not_known

EXAMPLE: Final = "?origin=JFK&destination=LAX&date=…"
MAX_CACHED_QUERIES: Final = 4096
MAX_CACHED_LENGTH: Final = 256


class ParsedQuery(NamedTuple):
    """A parsed query string, and the cache request for it."""

    request: PriceRequest
    cache_request: CacheRequest


class PriceResource:
    """The cheapest flight from A to B on a day: its price, or its offer."""

    audience = Audience.CLIENTS

    def __init__(
        self,
        prices: Prices,
        document_of: Callable[[bytes], bytes],
        environment: str,
        request_deadline: float,
        *,
        path: str = "/flights/price",
        max_cached_queries: int = MAX_CACHED_QUERIES,
    ) -> None:
        """Create the resource.

        document_of: takes the body of an entry and returns the document to send.
        request_deadline: seconds that a request may take. path: of this resource.
        """
        self._prices = prices
        self.document_of = document_of
        self._environment = environment
        self._request_deadline = request_deadline
        self._example = path + EXAMPLE
        self._cached_parse = lru_cache(max_cached_queries)(self._parse)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        request, result = self.look_up(req, resp, lambda: self._parse_cached(req))
        if result.entry.body:
            resp.data = document = self.document_of(result.entry.body)
            set_etag(req, resp, document)
        self.describe(req, resp, request, result)

    on_head = on_get

    def look_up(
        self, req: falcon.Request, resp: falcon.Response, parsed: Callable[[], ParsedQuery]
    ) -> tuple[PriceRequest, CacheResult]:
        """Return the request and its answer. Raises FlightPriceError.

        parsed: called once, for the query.
        """
        deadline = Deadline(self._request_deadline)
        resp.set_header("X-Amadeus-Environment", self._environment)
        request, cache_request = parsed()
        max_age = 0 if request.nocache else request.max_age
        if request.known:
            result = self._prices.known(cache_request, max_age=max_age)
            if result is None:
                raise not_known(request)
        else:
            result = self._prices.cheapest(
                cache_request,
                deadline,
                max_age=max_age,
                before_bypass=allowance_of(req).consume_nocache,
            )
        return request, result

    def describe(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        request: PriceRequest,
        result: CacheResult,
    ) -> None:
        """Set the headers and log fields of an answer. Raises NoOffers if it has no price."""
        set_cache_headers(resp, result, 0 if request.nocache else request.max_age)
        if result.outcome is Outcome.HIT:
            times = {"age": round(result.age, 1), "ttl": result.entry.ttl}
            req.context.cache_hit = log_fields(request) | times
        if not result.entry.body:
            raise no_offers(request)

    def parse(self, params: Mapping[str, object], example: str = "") -> ParsedQuery:
        """Return the query of these parameters. Raises InvalidRequest.

        example: a valid path and query, for an error about a URL; empty if there is no URL.
        """
        request = parse(PriceRequest, params, example, oldest=self._prices.oldest)
        return ParsedQuery(request, self._prices.cache_request(request))

    def _parse_cached(self, req: falcon.Request) -> ParsedQuery:
        """Return the parsed query, cached because validation costs as much as a hit.

        Validation depends on today's date, which changes on the hour; so parse again each hour.
        """
        parse = self._cached_parse if len(req.query_string) <= MAX_CACHED_LENGTH else self._parse
        return parse(req.query_string, int(time.time() // 3600))

    def _parse(self, query_string: str, _hour: int) -> ParsedQuery:
        params = falcon.uri.parse_query_string(query_string, keep_blank=True)
        return self.parse(params, self._example)
