"""Every answer of the bridge matches its schema.

`make contract` also checks the answers against Amadeus's own OpenAPI files.
"""

from typing import Any

import pytest

from tests.contract.answers import violations
from tests.support.clients.bridge_client import Bridge, IgnavBridge
from tests.support.providers import ignav
from tests.support.providers.duffel import airport, errors, offer, passenger, segment, way

STOPS = [
    {
        "id": "stp_1",
        "airport": airport("DEN"),
        "arriving_at": "2026-12-10T09:20:00",
        "departing_at": "2026-12-10T10:10:00",
        "duration": "PT00H50M",
    }
]
OFFERS = {
    "one way": [offer()],
    "technical stop": [offer("1", way(segment(stops=STOPS)))],
    "a change": [offer("1", way(segment("JFK", "DEN"), segment("DEN", "LAX")))],
    "little known": [
        offer(
            "1",
            way(
                segment(
                    aircraft=None,
                    stops=None,
                    duration=None,
                    operating_carrier=None,
                    marketing_carrier_flight_number="CHARTER",
                    passengers=[passenger(baggages=[], cabin_class=None)],
                )
                | {"origin": {"iata_code": "JFK"}},
                duration=None,
                fare_brand_name=None,
            ),
            owner=None,
            expires_at=None,
            payment_requirements=None,
            passengers=None,
        )
    ],
    "nothing": [],
}


@pytest.mark.parametrize("offers", OFFERS.values(), ids=OFFERS.keys())
def test_search_answer_matches_its_schema(offers: list[dict[str, Any]]) -> None:
    answer = Bridge(*offers).search()
    assert answer.status_code == 200
    assert answer.json()["meta"]["count"] == len(offers)
    assert violations("bridged search", answer) == []


@pytest.mark.parametrize(
    "itinerary",
    [
        ignav.itinerary(),
        ignav.itinerary(
            1, ignav.leg(ignav.segment("JFK", "DEN"), ignav.segment("DEN", "LAX"), carrier=None)
        ),
        ignav.itinerary(
            1,
            ignav.leg(
                ignav.segment(
                    "JFK", "QQQ", flight_number=None, operating_carrier_name=None, aircraft=None
                ),
                duration_minutes=None,
            ),
            cabin_class=None,
            bags=None,
        ),
    ],
    ids=["one way", "a change", "little known"],
)
def test_search_answer_from_ignav_matches_its_schema(itinerary: dict[str, Any]) -> None:
    answer = IgnavBridge(itinerary).search(children=1, infants=1)
    assert answer.json()["meta"]["count"] == 1
    assert violations("bridged search", answer) == []


def test_round_trip_of_a_family_matches_its_schema() -> None:
    back = way(segment("LAX", "JFK"))
    family = [{"id": "pas_1", "type": "adult"}, {"id": "pas_2", "age": 8, "type": "child"}]
    answer = Bridge(offer("900", way(), back, passengers=family)).search(
        returnDate="2026-12-17", children=1
    )
    assert answer.json()["meta"]["count"] == 1
    assert violations("bridged search", answer) == []


@pytest.mark.parametrize("status", [401, 402, 404, 429, 500, 503])
def test_error_answer_matches_its_schema(status: int) -> None:
    bridge = Bridge()
    bridge.duffel.fail("search", status, errors(status, "api_error"))
    answer = bridge.search()
    assert answer.status_code >= 400
    assert violations("bridged search", answer) == []


def test_refused_search_matches_its_schema() -> None:
    assert violations("bridged search", Bridge().search(viewBy="DATE")) == []


def test_token_answer_matches_its_schema() -> None:
    assert violations("token", Bridge().ask_token()) == []
