"""A stand-in for Ignav, with requests and answers as its contract has them.

It refuses a request that the contract does not allow, so a wrong one fails a test. With the OpenAPI
file of Ignav (`make contract PROVIDERS=<folder>`) it also holds each request and answer to that.
"""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import falcon

from tests.contract import ignav as contract
from tests.support.providers.stand_in import StandIn

KEY = "ignav-key-of-the-stand-in"

_NAMES = {"DL": "Delta Air Lines", "UA": "United Airlines"}


def segment(origin: str = "JFK", destination: str = "LAX", **changes: Any) -> dict[str, Any]:
    """A segment."""
    return {
        "marketing_carrier_code": "DL",
        "flight_number": "123",
        "operating_carrier_name": "Delta Air Lines",
        "departure_airport": origin,
        "departure_time_local": "2026-12-10T07:30:00",
        "departure_timezone": "America/New_York",
        "departure_time_utc": "2026-12-10T12:30:00Z",
        "arrival_airport": destination,
        "arrival_time_local": "2026-12-10T10:42:00",
        "arrival_timezone": "America/Los_Angeles",
        "arrival_time_utc": "2026-12-10T18:42:00Z",
        "duration_minutes": 372,
        "aircraft": "Airbus A321neo",
    } | changes


def leg(*segments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One direction of an itinerary."""
    parts = list(segments) or [segment()]
    return {
        "carrier": _NAMES.get(str(parts[0]["marketing_carrier_code"]), "Some Airline"),
        "duration_minutes": 372,
        "segments": parts,
    } | changes


def itinerary(amount: object = 306.85, *legs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What one-way and round trips find: one or two legs, in economy with one checked bag."""
    outbound, *rest = legs or [leg()]
    return {
        "price": price(amount),
        "outbound": outbound,
        "inbound": rest[0] if rest else None,
        "cabin_class": "economy",
        "bags": {"carry_on": 1, "checked": 1},
        "requires_self_transfer": False,
        "ignav_id": "5e4fcd2f",
    } | changes


def journey(amount: object, *legs: dict[str, Any]) -> dict[str, Any]:
    """What a search of several legs finds."""
    found = itinerary(amount) | {"legs": list(legs)}
    return {name: part for name, part in found.items() if name not in {"outbound", "inbound"}}


def price(amount: object, currency: object = "USD", status: str = "verified") -> dict[str, Any]:
    """The price of an itinerary."""
    return {"amount": amount, "currency": currency, "status": status}


def error(kind: str = "invalid_request", code: str = "some_code", **more: str) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"type": kind, "code": code, "message": "Words of Ignav", **more}}


def _is_count(low: int, high: int = 9) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_place(value: Any) -> bool:
    return bool(re.fullmatch("[A-Z]{3}", value))


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and dt.date.fromisoformat(value).isoformat() == value


def _are_airlines(value: Any) -> bool:
    return value != [] and all(re.fullmatch("[0-9A-Z]{2}", one) for one in value)


def _are_times(value: Any) -> bool:
    names = {"earliest_hour", "latest_hour", "arrival_earliest_hour", "arrival_latest_hour"}
    in_order = all(
        value.get(f"{end}earliest_hour", 0) <= value.get(f"{end}latest_hour", 23)
        for end in ("", "arrival_")
    )
    return bool(in_order) and names.issuperset(value) and all(map(_is_count(0, 23), value.values()))


_LEG: dict[str, Callable[[Any], bool]] = {
    "origin": _is_place,
    "destination": _is_place,
    "departure_date": _is_date,
    "max_stops": _is_count(0, 2),
    "departure_time_range": _are_times,
}
_REQUEST: dict[str, Callable[[Any], bool]] = {
    "adults": _is_count(1),
    "children": _is_count(0),
    "infants_in_seat": _is_count(0),
    "infants_on_lap": _is_count(0),
    "cabin_class": {"economy", "premium_economy", "business", "first"}.__contains__,
    "min_checked_bags": _is_count(0),
    "airlines_include": _are_airlines,
    "airlines_exclude": _are_airlines,
    "allow_self_transfer": lambda value: value is False,
    "market": lambda value: bool(re.fullmatch("[A-Z]{2}", value)),
}
_PATHS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "/api/fares/one-way": _REQUEST | _LEG,
    "/api/fares/round-trip": _REQUEST
    | _LEG
    | {"return_date": _is_date, "return_time_range": _are_times},
    "/api/fares/search": _REQUEST
    | {"legs": lambda value: 1 <= len(value) <= 4 and not any(_wrong(one, _LEG) for one in value)},
}
_NEEDED = {"origin", "destination", "departure_date", "return_date", "legs"}


def _wrong(body: dict[str, Any], fields: dict[str, Callable[[Any], bool]]) -> list[str]:
    """The fields of a body that are missing, unknown or malformed."""
    missing = (fields.keys() & _NEEDED) - body.keys()
    wrong = [name for name, value in body.items() if name not in fields or not fields[name](value)]
    if body.get("origin") == body.get("destination") is not None:
        wrong.append("destination")
    return [*missing, *wrong]


class Ignav(StandIn):
    """The stand-in. It has one leg, `search`.

    itineraries: what each search finds. odd: they break the contract on purpose. unknown: airports
    that it does not know.
    """

    name = "ignav"

    def __init__(self, *itineraries: Any, odd: bool = False, unknown: str = "") -> None:
        super().__init__()
        self.itineraries = list(itineraries)
        self.searches: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self._odd = odd
        self._unknown = unknown.split()
        for path in _PATHS:
            self.app.add_route(path, self)

    def environment(self, url: str) -> dict[str, str]:
        """The variables that point a bridge at it, if it serves at this URL."""
        return {"IGNAV_API_KEY": KEY, "IGNAV_BASE_URL": url}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search."""
        body = json.loads(req.bounded_stream.read())
        self.searches.append(body)
        self.paths.append(req.path)
        if self.failed("search", resp):
            return
        if req.get_header("X-Api-Key") != KEY:
            self._refuse(resp, 401, error("auth_error", "invalid_api_key"))
            return
        wrong = _wrong(body, _PATHS[req.path])
        people = ("adults", "children", "infants_in_seat", "infants_on_lap")
        if sum(body.get(name, 0) for name in people) > 9:
            wrong.append("adults")
        if req.content_type != "application/json" or req.get_header("Accept-Encoding") != "gzip":
            wrong.append("headers")
        wrong += [name for name in ("origin", "destination") if body.get(name) in self._unknown]
        if wrong:
            self._refuse(resp, 400, error(field=wrong[0]))
            return
        assert contract.request_violations(req.path, body) == []
        found: dict[str, Any] = {"itineraries": self.itineraries}
        names = ["origin", "destination", "departure_date"]
        if "legs" in body:
            found["legs"] = [{name: one[name] for name in names} for one in body["legs"]]
        else:
            found |= {name: body.get(name) for name in [*names, "return_date"]}
        assert self._odd or contract.answer_violations(req.path, 200, found) == []
        resp.text = json.dumps(found)

    def _refuse(self, resp: falcon.Response, status: int, body: dict[str, Any]) -> None:
        resp.status = status
        resp.media = body
