"""A stand-in for Duffel, with requests and answers as its contract has them.

It refuses a request that the contract does not allow, so a wrong one fails a test. Its answers have
every property of the types in Duffel's own package, against which `make contract` compiles them.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import falcon

from tests.support.providers.stand_in import StandIn

TOKEN = "duffel_test_stand-in"

_SLICE = {"origin", "destination", "departure_date", "departure_time", "arrival_time"}
_NAMES = {"QF": "Qantas", "BA": "British Airways", "ZZ": "Duffel Airways"}
_CITIES = {"JFK": "NYC", "LHR": "LON"}


def airline(code: str | None) -> dict[str, Any]:
    """An airline; its code may be null."""
    return {
        "id": f"arl_{code}",
        "iata_code": code,
        "name": _NAMES.get(code or "", "Some Airline"),
        "logo_lockup_url": None,
        "logo_symbol_url": None,
        "conditions_of_carriage_url": None,
    }


def airport(code: str) -> dict[str, Any]:
    """An airport."""
    return {
        "id": f"arp_{code.lower()}",
        "type": "airport",
        "iata_code": code,
        "iata_city_code": _CITIES.get(code, code),
        "iata_country_code": "GB" if code == "LHR" else "US",
        "icao_code": f"K{code}",
        "name": f"{code} Airport",
        "city": None,
        "city_name": f"City of {code}",
        "latitude": 40.640556,
        "longitude": -73.778519,
        "time_zone": "America/New_York",
    }


def segment(origin: str = "JFK", destination: str = "LAX", **changes: Any) -> dict[str, Any]:
    """A segment for one adult, in economy with one checked bag."""
    return {
        "id": "seg_1",
        "origin": airport(origin),
        "origin_terminal": "4",
        "destination": airport(destination),
        "destination_terminal": None,
        "departing_at": "2026-12-10T07:30:00",
        "arriving_at": "2026-12-10T10:42:00",
        "duration": "PT06H12M",
        "distance": "3982.8",
        "marketing_carrier": airline("ZZ"),
        "marketing_carrier_flight_number": "0123",
        "operating_carrier": airline("BA"),
        "operating_carrier_flight_number": "4567",
        "aircraft": {"id": "arc_1", "iata_code": "32Q", "name": "Airbus A321neo"},
        "stops": [],
        "passengers": [passenger()],
    } | changes


def passenger(id_: str = "pas_1", cabin: str = "economy", **changes: Any) -> dict[str, Any]:
    """What one passenger gets on a segment."""
    return {
        "passenger_id": id_,
        "cabin_class": cabin,
        "cabin_class_marketing_name": "Main",
        "fare_basis_code": "Y20LGTN2",
        "baggages": [{"type": "checked", "quantity": 1}, {"type": "carry_on", "quantity": 1}],
        "cabin": None,
    } | changes


def way(*segments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One slice of an offer."""
    flown = list(segments) or [segment()]
    return {
        "id": "sli_1",
        "origin": flown[0]["origin"],
        "origin_type": "airport",
        "destination": flown[-1]["destination"],
        "destination_type": "airport",
        "duration": "PT06H12M",
        "fare_brand_name": "Basic",
        "segments": flown,
        "conditions": {
            "refund_before_departure": None,
            "change_before_departure": None,
            "advance_seat_selection": None,
            "priority_boarding": None,
            "priority_check_in": None,
        },
        "ngs_shelf": 1,
        "comparison_key": "b0bd",
    } | changes


def offer(total: object = "306.85", *ways: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An offer for one adult."""
    return {
        "id": "off_1",
        "live_mode": False,
        "partial": False,
        "created_at": "2026-11-30T23:30:00.000000Z",
        "updated_at": "2026-11-30T23:30:00.000000Z",
        "total_amount": total,
        "total_currency": "GBP",
        "base_amount": "280.00",
        "base_currency": "GBP",
        "tax_amount": "26.85",
        "tax_currency": "GBP",
        "total_emissions_kg": "460",
        "owner": airline("ZZ"),
        "expires_at": "2026-12-01T23:30:00Z",
        "passengers": [traveler()],
        "passenger_identity_documents_required": False,
        "supported_passenger_identity_document_types": [],
        "supported_loyalty_programmes": [],
        "private_fares": [],
        "available_services": [],
        "payment_requirements": {
            "requires_instant_payment": False,
            "payment_required_by": "2026-11-30T22:30:00-04:00",
            "price_guarantee_expires_at": None,
        },
        "conditions": {
            "refund_before_departure": None,
            "change_before_departure": {
                "allowed": True,
                "penalty_amount": "50.00",
                "penalty_currency": "GBP",
            },
        },
        "slices": list(ways) or [way()],
    } | changes


def traveler(id_: str = "pas_1", kind: str = "adult", age: int | None = None) -> dict[str, Any]:
    """A passenger of an offer."""
    return {"id": id_, "type": kind, "age": age, "fare_type": None}


def errors(status: int, kind: str, **source: str) -> dict[str, Any]:
    """The body of an error."""
    return {
        "meta": {"status": status, "request_id": "F-secret"},
        "errors": [
            {
                "type": kind,
                "code": kind,
                "title": "Words of Duffel",
                "message": "Words of Duffel",
                "documentation_url": "https://duffel.com/docs",
            }
            | ({"source": source} if source else {})
        ],
    }


def _params(req: falcon.Request) -> dict[str, str]:
    return dict(parse_qsl(req.query_string))


def offer_request(id_: str, data: dict[str, Any]) -> dict[str, Any]:
    """An offer request without its offers, as the answer to a search has it."""
    return {
        "id": id_,
        "live_mode": False,
        "created_at": "2026-11-30T23:30:00.000000Z",
        "slices": [
            {
                "origin": airport(one["origin"]),
                "origin_type": "airport",
                "destination": airport(one["destination"]),
                "destination_type": "airport",
                "departure_date": one["departure_date"],
            }
            for one in data["slices"]
        ],
        "passengers": [
            {"id": f"pas_{number}"} | one for number, one in enumerate(data["passengers"], 1)
        ],
    } | ({"cabin_class": data["cabin_class"]} if "cabin_class" in data else {})


class Duffel(StandIn):
    """The stand-in. Its legs are `search` and `list`.

    offers: what it lists, in the order in which it lists them.
    """

    name = "duffel"

    def __init__(self, *offers: dict[str, Any]) -> None:
        super().__init__()
        self.offers = list(offers)
        self.searches: list[dict[str, Any]] = []
        self.search_params: list[dict[str, str]] = []
        self.lists: list[dict[str, str]] = []
        self.app.req_options.strip_url_path_trailing_slash = True
        self.app.add_route("/air/offer_requests", self, suffix="search")
        self.app.add_route("/air/offers", self, suffix="list")

    def environment(self, url: str) -> dict[str, str]:
        """The variables that point a bridge at it, if it serves at this URL."""
        return {"DUFFEL_ACCESS_TOKEN": TOKEN, "DUFFEL_BASE_URL": url}

    def on_post_search(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Search."""
        data = json.loads(req.bounded_stream.read())["data"]
        self.searches.append(data)
        params = _params(req)
        self.search_params.append(params)
        if self._failed("search", req, resp):
            return
        assert req.content_type == "application/json"
        assert params["return_offers"] == "false"  # the answer has none
        assert 2_000 <= int(params["supplier_timeout"]) <= 60_000
        assert data.keys() <= {"slices", "passengers", "cabin_class", "max_connections"}
        for part in data["slices"]:
            assert part.keys() == _SLICE
            assert re.fullmatch("[A-Z]{3}[A-Z]{3}", part["origin"] + part["destination"])
        for one in data["passengers"]:
            assert one == {"type": "adult"} or 0 <= one["age"] < 18
        assert data.get("cabin_class") in {
            None, "economy", "premium_economy", "business", "first",
        }  # fmt: skip
        resp.media = {"data": offer_request(f"orq_{len(self.searches)}", data)}

    def on_get_list(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List offers, a page at a time."""
        params = _params(req)
        self.lists.append(params)
        if self._failed("list", req, resp):
            return
        assert params["offer_request_id"] in [f"orq_{n + 1}" for n in range(len(self.searches))]
        assert params["sort"] == "total_amount"
        limit, start = int(params["limit"]), int(params.get("after", "0"))
        assert 1 <= limit <= 200
        end = start + limit
        after = str(end) if end < len(self.offers) else None
        resp.media = {"data": self.offers[start:end], "meta": {"limit": limit, "after": after}}

    def _failed(self, leg: str, req: falcon.Request, resp: falcon.Response) -> bool:
        if self.failed(leg, resp):
            return True
        if req.auth != f"Bearer {TOKEN}":
            resp.status = 401
            resp.media = errors(401, "authentication_error")
            return True
        assert req.get_header("Duffel-Version") == "v2"
        assert req.get_header("Accept") == "application/json"
        assert req.get_header("Accept-Encoding") == "gzip"
        return False
