"""What Duffel is asked for a search, and which searches are refused."""

from typing import Any

import pytest

from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import AHEAD, body, refusals
from tests.support.providers.duffel import offer, segment, way

DIRECTION = "/originDestinations/0"
FILTERS = "/searchCriteria/flightFilters"


def direction(**changes: object) -> dict[str, Any]:
    wanted = body()
    wanted["originDestinations"][0] |= changes
    return wanted


def test_search_is_one_billed_request_and_a_list_of_the_cheapest() -> None:
    bridge = Bridge(offer())
    assert len(bridge.offers()) == 1
    assert bridge.duffel.searches == [
        {
            "slices": [
                {
                    "origin": "JFK",
                    "destination": "LAX",
                    "departure_date": AHEAD,
                    "departure_time": None,
                    "arrival_time": None,
                }
            ],
            "passengers": [{"type": "adult"}],
            "max_connections": 2,
        }
    ]
    assert bridge.duffel.search_params == [{"return_offers": "false", "supplier_timeout": "16000"}]
    assert bridge.duffel.lists == [
        {"offer_request_id": "orq_1", "sort": "total_amount", "limit": "200"}
    ]


def test_round_trip_is_two_slices() -> None:
    bridge = Bridge(offer("500.00", way(), way(segment("LAX", "JFK"))))
    assert len(bridge.offers(returnDate="2026-12-17")[0]["itineraries"]) == 2
    slices = bridge.duffel.searches[0]["slices"]
    assert [(one["origin"], one["destination"], one["departure_date"]) for one in slices] == [
        ("JFK", "LAX", AHEAD),
        ("LAX", "JFK", "2026-12-17"),
    ]


def test_children_and_infants_become_ages() -> None:
    bridge = Bridge()
    bridge.offers(adults=2, children=1, infants=1)
    assert bridge.duffel.searches[0]["passengers"] == [
        {"type": "adult"},
        {"type": "adult"},
        {"age": 8},
        {"age": 1},
    ]


def test_cabin_and_nonstop_are_passed_on() -> None:
    bridge = Bridge()
    bridge.offers(travelClass="PREMIUM_ECONOMY", nonStop="true")
    assert bridge.duffel.searches[0]["cabin_class"] == "premium_economy"
    assert bridge.duffel.searches[0]["max_connections"] == 0


def test_time_windows_are_passed_on() -> None:
    bridge = Bridge()
    window = {"date": AHEAD, "time": "22:30:00", "timeWindow": "2H"}
    answer = bridge.post(direction(departureDateTimeRange=window, arrivalDateTimeRange=window))
    assert answer.status_code == 200
    one = bridge.duffel.searches[0]["slices"][0]
    assert one["departure_time"] == one["arrival_time"] == {"from": "20:30", "to": "23:59"}


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (body(surprise=1), "/surprise"),
        (direction(alternativeOriginsCodes=["EWR"]), f"{DIRECTION}/originLocationCode"),
        (direction(destinationRadius=100), f"{DIRECTION}/destinationLocationCode"),
        (
            direction(departureDateTimeRange={"date": AHEAD, "dateWindow": "I1D"}),
            f"{DIRECTION}/departureDateTimeRange/dateWindow",
        ),
        (
            direction(arrivalDateTimeRange={"date": AHEAD, "dateWindow": "P1D"}),
            f"{DIRECTION}/arrivalDateTimeRange/dateWindow",
        ),
        (
            body(travelers=[{"id": "1", "travelerType": "SEATED_INFANT"}]),
            "/travelers/0/travelerType",
        ),
        (
            body(
                ("JFK", "LAX", AHEAD),
                ("LAX", "JFK", AHEAD),
                searchCriteria={
                    "flightFilters": {
                        "cabinRestrictions": [{"cabin": "FIRST", "originDestinationIds": ["1"]}]
                    }
                },
            ),
            f"{FILTERS}/cabinRestrictions",
        ),
        (
            body(
                travelers=[
                    {"id": "1", "travelerType": "ADULT"},
                    {"id": "2", "travelerType": "CHILD"},
                ],
                searchCriteria={"maxPrice": 100},
            ),
            "/searchCriteria/maxPrice",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsupported_part_of_a_posted_search_is_refused(
    wanted: dict[str, Any], pointer: str
) -> None:
    bridge = Bridge(offer())
    answer = bridge.post(wanted)
    assert answer.status_code == 400
    assert refusals(answer) == [(2668, pointer)]
    assert bridge.duffel.searches == []


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [({"viewBy": "DATE"}, "viewBy"), ({"maxPrice": 100, "children": 1}, "maxPrice")],
)
def test_unsupported_parameter_is_refused(changes: dict[str, Any], parameter: str) -> None:
    bridge = Bridge(offer())
    assert refusals(bridge.search(**changes)) == [(2668, parameter)]
    assert bridge.duffel.searches == []


def test_maximum_price_in_another_currency_is_refused() -> None:
    answer = Bridge(offer()).search(maxPrice=400, currencyCode="USD")
    assert refusals(answer) == [(2668, "maxPrice")]
