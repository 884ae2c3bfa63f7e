"""The tools of the Model Context Protocol: each answers as its path under /flights does."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import falcon
import orjson
from pydantic import BaseModel, Field

from api.models import CalendarRequest, FlightCalendar, FlightOffer, FlightPrice, PriceRequest
from api.resources.calendar import CalendarResource
from api.resources.openapi.parameters import parameters
from api.resources.price import PriceResource

Data = TypeVar("Data")
Arguments = Mapping[str, Any]
# A tool changes nothing, and a repeated call costs no more than the first.
ANNOTATIONS: Final = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": True}
_COSTS: Final = (
    " A price that is cached costs nothing; any other costs one search."
    " max_age accepts an older price and saves searches; known never searches."
)


class Answer(BaseModel, Generic[Data]):
    """The result of a tool."""

    data: Data
    age: int = Field(ge=0, description="seconds since the (oldest) price was fetched")
    amadeus_environment: str = Field(
        description="where prices come from; those of sandbox and duffel-test are invented"
    )


class CalendarAnswer(Answer[FlightCalendar]):
    """The result of the calendar's tool."""

    upstream_calls: int = Field(ge=0, description="searches that this call caused")


class Tool(NamedTuple):
    """A tool: what a client reads about it, and the function behind it."""

    title: str
    description: str
    arguments: type[BaseModel]
    answer: type[BaseModel]
    call: Callable[[falcon.Request, falcon.Response, Arguments], dict[str, Any]]


class Tools:
    """The tools by name."""

    def __init__(
        self,
        price: PriceResource,
        offer: PriceResource,
        calendar: CalendarResource,
        environment: str,
        oldest: int,
    ) -> None:
        """Create the tools. oldest: the largest valid max_age."""
        # It takes milliseconds to build them.
        self._cached_definitions = lru_cache(maxsize=1)(self._definitions)
        self._calendar = calendar
        self._environment = environment
        self._oldest = oldest
        self._tools = {
            "cheapest_price": Tool(
                "Cheapest flight price",
                "The lowest price of a flight from origin to destination on a date." + _COSTS,
                PriceRequest,
                Answer[FlightPrice],
                self._one_day(price),
            ),
            "cheapest_offer": Tool(
                "Cheapest flight",
                "The flight that has the lowest price: airline, times, stops, bags and seats."
                " It comes from the same search as the price, so asking for both costs one."
                + _COSTS,
                PriceRequest,
                Answer[FlightOffer],
                self._one_day(offer),
            ),
            "price_calendar": Tool(
                "Prices of a month",
                "The lowest price of each day of a month, or of up to 31 days."
                " Each day that is not cached costs one search, and counts as one request."
                " max_age accepts older prices and saves searches; known never searches.",
                CalendarRequest,
                CalendarAnswer,
                self._many_days,
            ),
        }

    @property
    def names(self) -> Collection[str]:
        return self._tools.keys()

    def definitions(self) -> list[dict[str, Any]]:
        """Return the definitions of the tools. Their examples are of today."""
        return self._cached_definitions(dt.datetime.now(dt.UTC).date().isoformat())

    def _definitions(self, day: str) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "title": tool.title,
                "description": tool.description,
                "inputSchema": _input_schema(tool.arguments, day, self._oldest),
                "outputSchema": tool.answer.model_json_schema(),
                "annotations": {"title": tool.title, **ANNOTATIONS},
            }
            for name, tool in self._tools.items()
        ]

    def call(
        self, name: str, req: falcon.Request, resp: falcon.Response, arguments: Arguments
    ) -> dict[str, Any]:
        """Return the result of a tool. Raises FlightPriceError."""
        return self._tools[name].call(req, resp, arguments)

    def _one_day(
        self, resource: PriceResource
    ) -> Callable[[falcon.Request, falcon.Response, Arguments], dict[str, Any]]:
        def call(
            req: falcon.Request, resp: falcon.Response, arguments: Arguments
        ) -> dict[str, Any]:
            request, result = resource.look_up(req, resp, lambda: resource.parse(arguments))
            resource.describe(req, resp, request, result)
            document = orjson.loads(resource.document_of(result.entry.body))
            return {**document, "age": int(result.age), **self._source}

        return call

    def _many_days(
        self, req: falcon.Request, resp: falcon.Response, arguments: Arguments
    ) -> dict[str, Any]:
        calendar, query = self._calendar.look_up(
            req, resp, lambda: self._calendar.parse(arguments), only_known=False
        )
        data = self._calendar.whole(resp, calendar, query)
        age = max(day["age"] for day in data["days"])
        return {"data": data, "age": age, **self._source, "upstream_calls": calendar.calls}

    @property
    def _source(self) -> dict[str, str]:
        return {"amadeus_environment": self._environment}


def _input_schema(model: type[BaseModel], day: str, oldest: int) -> dict[str, Any]:
    """Return the schema of a tool's arguments, from that of the URL's parameters."""
    listed = parameters(model, day, oldest)
    return {
        "type": "object",
        "properties": {item["name"]: _argument(item) for item in listed},
        "required": [item["name"] for item in listed if item["required"]],
        "additionalProperties": False,
    }


def _argument(parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema, description = parameter["schema"], parameter["description"]
    if schema.get("default") == "false":  # a switch, which is a string in a URL
        described = description.replace("1:", "true:", 1)
        return {"type": "boolean", "default": False, "description": described}
    return {**schema, "description": description}
