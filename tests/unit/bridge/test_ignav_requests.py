"""What Ignav is asked for a search, and which searches are refused."""

from typing import Any

import pytest

from tests.support.clients.bridge_client import IgnavBridge
from tests.support.clients.sandbox_client import AHEAD, body, refusals
from tests.support.providers.ignav import itinerary, journey, leg, segment

BACK = "2026-12-17"
FILTERS = "/searchCriteria/flightFilters"
NOBODY = {"children": 0, "infants_in_seat": 0, "infants_on_lap": 0}


def asked(**changes: Any) -> dict[str, Any]:
    """The body of the only request for a search with these changes."""
    bridge = IgnavBridge()
    assert bridge.search(**changes).status_code == 200
    (one,) = bridge.ignav.searches
    return one


def posted(**changes: Any) -> dict[str, Any]:
    """The body of the only request for a posted search with these changes."""
    bridge = IgnavBridge()
    answer = bridge.post(body(**changes))
    assert answer.status_code == 200, answer.text
    (one,) = bridge.ignav.searches
    return one


def routes(bridge: IgnavBridge) -> list[str]:
    return [one["origin"] + one["destination"] for one in bridge.ignav.searches]


def test_search_is_one_request() -> None:
    bridge = IgnavBridge(itinerary())
    assert len(bridge.offers()) == 1
    assert bridge.ignav.paths == ["/api/fares/one-way"]
    assert bridge.ignav.searches == [
        {
            "origin": "JFK",
            "destination": "LAX",
            "departure_date": AHEAD,
            "adults": 1,
            **NOBODY,
            "cabin_class": "economy",
            "max_stops": 2,
            "allow_self_transfer": False,
        }
    ]


def test_round_trip_is_one_request() -> None:
    bridge = IgnavBridge(itinerary(500, leg(), leg(segment("LAX", "JFK"))))
    assert len(bridge.offers(returnDate=BACK)[0]["itineraries"]) == 2
    assert bridge.ignav.paths == ["/api/fares/round-trip"]
    assert bridge.ignav.searches[0]["return_date"] == BACK


def test_other_directions_are_legs_of_one_request() -> None:
    bridge = IgnavBridge(journey(500, leg(), leg(segment("LAX", "SFO"))))
    answer = bridge.post(body(("JFK", "LAX", AHEAD), ("LAX", "SFO", BACK)))
    assert len(answer.json()["data"][0]["itineraries"]) == 2
    assert bridge.ignav.paths == ["/api/fares/search"]
    assert bridge.ignav.searches[0]["legs"] == [
        {"origin": "JFK", "destination": "LAX", "departure_date": AHEAD, "max_stops": 2},
        {"origin": "LAX", "destination": "SFO", "departure_date": BACK, "max_stops": 2},
    ]


def test_travelers_are_counted_by_type() -> None:
    types = ["ADULT", "SENIOR", "YOUNG", "STUDENT", "CHILD", "SEATED_INFANT"]
    travelers = [{"id": str(id_), "travelerType": type_} for id_, type_ in enumerate(types)]
    travelers += [{"id": "9", "travelerType": "HELD_INFANT", "associatedAdultId": "0"}]
    one = posted(travelers=travelers)
    counts = {"adults": 4, "children": 1, "infants_in_seat": 1, "infants_on_lap": 1}
    assert counts.items() <= one.items()


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"travelClass": "PREMIUM_ECONOMY"}, {"cabin_class": "premium_economy"}),
        ({"nonStop": "true"}, {"max_stops": 0}),
        ({"includedAirlineCodes": "UA,DL"}, {"airlines_include": ["DL", "UA"]}),
        ({"excludedAirlineCodes": "UA"}, {"airlines_exclude": ["UA"]}),
        ({"currencyCode": "GBP"}, {"market": "GB"}),
        ({"currencyCode": "EUR"}, {"market": "DE"}),
    ],
)
def test_option_is_passed_on(changes: dict[str, Any], sent: dict[str, Any]) -> None:
    assert sent.items() <= asked(**changes).items()


@pytest.mark.parametrize("currency", ["XAF", "XOF", "XPF"])
def test_currency_of_several_countries_has_no_market(currency: str) -> None:
    bridge = IgnavBridge(itinerary())
    assert refusals(bridge.search(currencyCode=currency)) == [(4926, "currencyCode")]
    assert refusals(bridge.post(body(currencyCode=currency))) == [(4926, "/currencyCode")]
    assert bridge.ignav.searches == []


def test_bags_are_passed_on() -> None:
    criteria = {"pricingOptions": {"includedCheckedBagsOnly": True}}
    assert posted(searchCriteria=criteria)["min_checked_bags"] == 1


@pytest.mark.parametrize(
    ("time", "hours"),
    [
        ("10:30", {"earliest_hour": 8, "latest_hour": 13}),
        ("10:00", {"earliest_hour": 8, "latest_hour": 12}),
        ("22:30", {"earliest_hour": 20}),
        ("00:30", {"earliest_hour": 0, "latest_hour": 3}),
    ],
)
def test_time_window_is_passed_on_as_hours_that_include_it(
    time: str, hours: dict[str, int]
) -> None:
    window = {"date": AHEAD, "time": time, "timeWindow": "2H"}
    search = body(("JFK", "LAX", AHEAD), ("LAX", "JFK", AHEAD))
    there, back = search["originDestinations"]
    there["departureDateTimeRange"] = back["arrivalDateTimeRange"] = window
    bridge = IgnavBridge()
    assert bridge.post(search).status_code == 200
    (one,) = bridge.ignav.searches
    assert one["departure_time_range"] == hours
    assert one["return_time_range"] == {f"arrival_{name}": at for name, at in hours.items()}


def test_city_is_its_airports_the_busiest_first() -> None:
    bridge = IgnavBridge()
    bridge.search(originLocationCode="MIL", destinationLocationCode="JFK")
    assert routes(bridge) == ["MXPJFK", "LINJFK", "BGYJFK"]


@pytest.mark.parametrize("code", ["MEL", "SHA", "IST", "BKK", "DXB", "JNB", "HOU"])
def test_code_of_a_city_and_an_airport_is_the_city(code: str) -> None:
    bridge = IgnavBridge()
    bridge.search(originLocationCode=code, destinationLocationCode="JFK")
    assert code + "JFK" in routes(bridge)
    assert len(routes(bridge)) > 1


def test_search_takes_at_most_six_requests() -> None:
    bridge = IgnavBridge()
    bridge.search(originLocationCode="LON", destinationLocationCode="NYC", returnDate=BACK)
    assert routes(bridge) == ["LHREWR", "LHRJFK", "LGWEWR", "LGWJFK", "LTNEWR", "LTNJFK"]


def test_airport_is_not_asked_for_flights_to_itself() -> None:
    bridge = IgnavBridge()
    bridge.search(originLocationCode="LHR", destinationLocationCode="LON")
    assert "LHRLGW" in routes(bridge)
    assert "LHRLHR" not in routes(bridge)


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (body(surprise=1), "/surprise"),
        (body(*[("JFK", "LAX", AHEAD)] * 5), "/originDestinations"),
        (body(travelers=[{"id": "1", "travelerType": "CHILD"}]), "/travelers"),
        (
            body(searchCriteria={"pricingOptions": {"refundableFare": True}}),
            "/searchCriteria/pricingOptions",
        ),
        (
            body(searchCriteria={"additionalInformation": {"brandedFares": True}}),
            "/searchCriteria/additionalInformation/brandedFares",
        ),
        (
            body(
                searchCriteria={
                    "flightFilters": {"connectionRestriction": {"technicalStopsAllowed": False}}
                }
            ),
            f"{FILTERS}/connectionRestriction/technicalStopsAllowed",
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
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsupported_part_of_a_posted_search_is_refused(
    wanted: dict[str, Any], pointer: str
) -> None:
    bridge = IgnavBridge(itinerary())
    assert refusals(bridge.post(wanted)) == [(2668, pointer)]
    assert bridge.ignav.searches == []


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"viewBy": "DATE"}, "viewBy"),
        ({"maxPrice": 100, "children": 1}, "maxPrice"),
        ({"adults": 8, "infants": 2}, "infants"),
    ],
)
def test_unsupported_parameter_is_refused(changes: dict[str, Any], parameter: str) -> None:
    bridge = IgnavBridge(itinerary())
    assert refusals(bridge.search(**changes)) == [(2668, parameter)]
    assert bridge.ignav.searches == []


def test_maximum_price_in_another_currency_is_refused() -> None:
    answer = IgnavBridge(itinerary()).search(maxPrice=400, currencyCode="EUR")
    assert refusals(answer) == [(2668, "maxPrice")]
