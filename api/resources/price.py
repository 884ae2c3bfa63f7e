"""GET /flights/price."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import falcon
from pydantic import ValidationError

from api.access.audience import Audience
from api.errors import Fault, InvalidRequest
from api.http.cache_headers import set_cache_headers
from api.models import PriceRequest, faults_of, faults_of_unknown
from api.services.cache.requests import Outcome, Question
from api.services.deadline import Deadline
from api.services.prices import Prices, labels_of, no_offers

QUOTES_HINT = (
    "Only origin was received. Quote the URL in a shell, because & ends the command:"
    " curl 'http://…/flights/price?origin=JFK&destination=LAX&date=…'"
)
MAX_KNOWN_QUERIES: Final = 4096
MAX_KNOWN_LENGTH: Final = 256


class Asked(NamedTuple):
    """What a query string says, and the question that it puts."""

    request: PriceRequest
    question: Question


class PriceResource:
    """The cheapest flight from A to B on a day."""

    audience = Audience.CLIENTS

    def __init__(self, prices: Prices, environment: str, request_deadline: float) -> None:
        """`request_deadline`: seconds that a request may take."""
        self._prices = prices
        self._environment = environment
        self._request_deadline = request_deadline
        self._known = lru_cache(MAX_KNOWN_QUERIES)(self._read)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        deadline = Deadline(self._request_deadline)
        resp.set_header("X-Amadeus-Environment", self._environment)
        request, question = self._asked(req)
        answer = self._prices.cheapest(question, deadline, forced=request.nocache)
        set_cache_headers(req, resp, answer)
        if answer.outcome is Outcome.HIT:
            times = {"age": round(answer.age, 1), "ttl": answer.entry.ttl}
            req.context.cache_hit = labels_of(request) | times
        if not answer.entry.body:
            raise no_offers(request)
        resp.data = answer.entry.body

    on_head = on_get

    def _asked(self, req: falcon.Request) -> Asked:
        """What was asked, read once an hour for each query string: checking costs as much as
        answering. Days begin and end on whole hours, so within one no date becomes wrong.
        """
        read = self._known if len(req.query_string) <= MAX_KNOWN_LENGTH else self._read
        return read(req.query_string, int(time.time() // 3600))

    def _read(self, query_string: str, _hour: int) -> Asked:
        request = parse(falcon.uri.parse_query_string(query_string, keep_blank=True))
        return Asked(request, self._prices.question(request))


def parse(params: Mapping[str, str | list[str]]) -> PriceRequest:
    """The query of a URL. Raises InvalidRequest, which names every fault of it at once."""
    known = {name: value for name, value in params.items() if name in PriceRequest.model_fields}
    repeated = [name for name, value in known.items() if isinstance(value, list)]
    faults = [Fault(name, "must be given only once") for name in repeated]
    try:
        request = PriceRequest.model_validate(known)
    except ValidationError as exc:
        faults += [fault for fault in faults_of(exc) if fault.parameter not in repeated]
    faults += faults_of_unknown([name for name in params if name not in known])
    if not faults:
        return request
    if set(params) == {"origin"}:
        raise InvalidRequest(QUOTES_HINT, faults)
    raise InvalidRequest("; ".join(f"{fault.parameter} {fault.detail}" for fault in faults), faults)
