"""GET /flights/price."""

from collections.abc import Mapping

import falcon
from pydantic import ValidationError

from api.errors import Fault, InvalidRequest
from api.models import PriceRequest, faults_of
from api.resources.caching import set_cache_headers
from api.services.deadline import Deadline
from api.services.prices import Prices, no_offers

QUOTES_HINT = (
    "Only origin arrived. In a shell the URL needs quotes, because an & ends the command:"
    " curl 'http://…/flights/price?origin=JFK&destination=LAX&date=…'"
)


class PriceResource:
    """The cheapest flight from A to B on a day."""

    def __init__(self, prices: Prices, environment: str, request_deadline: float) -> None:
        """`request_deadline`: seconds that a request may take."""
        self._prices = prices
        self._environment = environment
        self._request_deadline = request_deadline

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        deadline = Deadline(self._request_deadline)
        resp.set_header("X-Amadeus-Environment", self._environment)
        request = parse(req.params)
        answer = self._prices.cheapest(request, deadline, forced=request.nocache)
        set_cache_headers(req, resp, answer)
        if not answer.entry.body:
            raise no_offers(request)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = answer.entry.body

    on_head = on_get


def parse(params: Mapping[str, str | list[str]]) -> PriceRequest:
    """The query of a URL. Raises InvalidRequest, which names every fault of it at once."""
    faults = [
        Fault(name, f"is given {len(values)} times, and once is right")
        for name, values in params.items()
        if isinstance(values, list)
    ]
    repeated = {fault.parameter for fault in faults}
    try:
        request = PriceRequest.model_validate(params)
    except ValidationError as exc:
        faults += [fault for fault in faults_of(exc) if fault.parameter not in repeated]
    if not faults:
        return request
    if set(params) == {"origin"}:
        raise InvalidRequest(QUOTES_HINT, faults)
    raise InvalidRequest("; ".join(f"{fault.parameter} {fault.detail}" for fault in faults), faults)
