"""What Ignav's itineraries become, and which of them are left out."""

import json
from typing import Any

import pytest

from tests.support.clients.bridge_client import IgnavBridge
from tests.support.clients.sandbox_client import AHEAD, body
from tests.support.providers.ignav import itinerary, journey, leg, price, segment


def totals(*itineraries: Any, odd: bool = False, **changes: Any) -> list[str]:
    bridge = IgnavBridge(*itineraries, odd=odd)
    return [one["price"]["grandTotal"] for one in bridge.offers(**changes)]


def changing(amount: object, **changes: Any) -> dict[str, Any]:
    return itinerary(amount, leg(segment("JFK", "DEN"), segment("DEN", "LAX", **changes)))


def test_offer_shows_what_ignav_says() -> None:
    answer = IgnavBridge(itinerary()).search().json()
    assert answer["data"] == [
        {
            "type": "flight-offer",
            "id": "1",
            "source": "GDS",
            "itineraries": [
                {
                    "duration": "PT6H12M",
                    "segments": [
                        {
                            "departure": {"iataCode": "JFK", "at": "2026-12-10T07:30:00"},
                            "arrival": {"iataCode": "LAX", "at": "2026-12-10T10:42:00"},
                            "carrierCode": "DL",
                            "number": "123",
                            "operating": {"carrierCode": "DL"},
                            "duration": "PT6H12M",
                            "id": "1",
                        }
                    ],
                }
            ],
            "price": {"currency": "USD", "total": "306.85", "grandTotal": "306.85"},
            "pricingOptions": {"fareType": ["PUBLISHED"], "includedCheckedBagsOnly": True},
            "validatingAirlineCodes": ["DL"],
            "travelerPricings": [
                {
                    "travelerId": "1",
                    "fareOption": "STANDARD",
                    "travelerType": "ADULT",
                    "price": {"currency": "USD", "total": "306.85"},
                    "fareDetailsBySegment": [
                        {
                            "segmentId": "1",
                            "cabin": "ECONOMY",
                            "includedCheckedBags": {"quantity": 1},
                        }
                    ],
                }
            ],
        }
    ]
    assert answer["dictionaries"] == {
        "locations": {
            "JFK": {"cityCode": "NYC", "countryCode": "US"},
            "LAX": {"cityCode": "LAX", "countryCode": "US"},
        },
        "currencies": {"USD": "US DOLLAR"},
        "carriers": {"DL": "Delta Air Lines"},
    }


def test_offers_are_sorted_by_price_and_limited() -> None:
    assert totals(*map(itinerary, (1000, 627, 79.62, 395.25)), max=3) == [
        "79.62", "395.25", "627.00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("199.9", "EUR", "199.90"),
        ("542", "USD", "542.00"),
        ("1.005", "USD", "1.01"),
        ("306.84999999999997", "USD", "306.85"),
        ("1.00499999999999999999", "USD", "1.00"),
        ("999999999999.005", "USD", "999999999999.01"),
        ("1.5e3", "USD", "1500.00"),
        ("19999.5", "JPY", "20000"),
        ("0.1234", "KWD", "0.123"),
        ("12", "QQQ", "12.00"),
    ],
)
def test_amount_is_read_from_the_text_and_rounded(amount: str, currency: str, shown: str) -> None:
    bridge = IgnavBridge()
    text = json.dumps({"itineraries": [itinerary(0, price=price(-7, currency))]})
    bridge.ignav.fail("search", 200, text.replace("-7", amount))
    assert [one["price"]["grandTotal"] for one in bridge.offers()] == [shown]


def test_unverified_price_is_left_out() -> None:
    unverified = itinerary(price=price(1, status="unverified"))
    assert totals(unverified, itinerary(2)) == ["2.00"]
    assert totals(unverified) == []


def test_price_without_a_status_is_taken() -> None:
    bare = price(1)
    del bare["status"]
    assert totals(itinerary(price=bare), odd=True) == ["1.00"]


AMOUNTS: list[Any] = [-1, 0, 1e300, None, True, [1], "many", 10**30]
BROKEN: list[Any] = [
    *map(itinerary, AMOUNTS),
    itinerary(price=None),
    itinerary(price=price(1, currency=None)),
    itinerary(outbound=None),
    itinerary(1, leg(), leg()),
    itinerary(1, leg(segments=[])),
    itinerary(1, leg(segment(marketing_carrier_code=None))),
    itinerary(1, leg(segment(marketing_carrier_code=["DL"]))),
    itinerary(1, leg(segment(departure_airport=None))),
    itinerary(1, leg(segment(), segment(arrival_airport=None))),
    itinerary(1, leg(segment(departure_time_local="soon"))),
    {},
    None,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_itinerary_that_cannot_be_read_is_left_out(broken: Any) -> None:
    assert totals(broken, itinerary(), odd=True) == ["306.85"]


def test_unknown_parts_stay_out() -> None:
    sparse = segment(
        "JFK", "QQQ", flight_number="CHARTER", operating_carrier_name=None, aircraft=None,
        duration_minutes=0,
    )  # fmt: skip
    way = leg(sparse, carrier=None, duration_minutes=None)
    (shown,) = IgnavBridge(itinerary(1, way, cabin_class=None, bags=None)).offers()
    assert shown["itineraries"][0].keys() == {"segments"}
    assert shown["itineraries"][0]["segments"][0].keys() == {
        "departure", "arrival", "carrierCode", "id",
    }  # fmt: skip
    assert shown["travelerPricings"][0]["fareDetailsBySegment"] == [{"segmentId": "1"}]


@pytest.mark.parametrize("odd", [-1, 10**30, 1.5, True, "1"])
def test_odd_numbers_are_unknown(odd: object) -> None:
    way = leg(segment(duration_minutes=odd), duration_minutes=odd)
    bridge = IgnavBridge(itinerary(1, way, bags={"carry_on": odd, "checked": odd}), odd=True)
    (shown,) = bridge.offers()
    assert "duration" not in shown["itineraries"][0]
    assert "duration" not in shown["itineraries"][0]["segments"][0]
    assert "includedCheckedBags" not in shown["travelerPricings"][0]["fareDetailsBySegment"][0]


def test_operator_is_known_only_if_it_has_the_name_of_the_airline() -> None:
    other = segment(operating_carrier_name="SkyWest")
    (shown,) = IgnavBridge(itinerary(1, leg(other))).offers()
    assert "operating" not in shown["itineraries"][0]["segments"][0]


def test_name_of_a_leg_with_several_airlines_is_nobodys() -> None:
    found = changing(1, marketing_carrier_code="UA", operating_carrier_name="Delta Air Lines")
    answer = IgnavBridge(found).search().json()
    assert "carriers" not in answer["dictionaries"]
    assert "validatingAirlineCodes" not in answer["data"][0]
    assert "operating" not in answer["data"][0]["itineraries"][0]["segments"][1]


def test_travelers_of_a_party_have_no_price_and_held_infants_no_bag() -> None:
    (shown,) = IgnavBridge(itinerary()).offers(children=1, infants=1)
    fares = [one["fareDetailsBySegment"][0] for one in shown["travelerPricings"]]
    assert ["includedCheckedBags" in one for one in fares] == [True, True, False]
    assert not any("price" in one for one in shown["travelerPricings"])


CHEAP_AND_WRONG: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (changing(1), {"nonStop": "true"}),
    (itinerary(1, requires_self_transfer=True), {}),
    (itinerary(1, leg(segment(marketing_carrier_code="UA"))), {"includedAirlineCodes": "DL"}),
    (itinerary(1, leg(segment(marketing_carrier_code="UA"))), {"excludedAirlineCodes": "UA"}),
    (itinerary(400.01), {"maxPrice": 400}),
]


@pytest.mark.parametrize(("wrong", "changes"), CHEAP_AND_WRONG)
def test_itinerary_that_does_not_fulfil_the_search_is_left_out(
    wrong: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert totals(wrong, itinerary(), **changes) == ["306.85"]


def test_itinerary_without_a_cabin_has_the_one_that_ignav_was_asked_for() -> None:
    assert totals(itinerary(1, cabin_class=None), travelClass="BUSINESS") == ["1.00"]


def test_higher_cabin_than_the_asked_one_is_kept() -> None:
    offers = [itinerary(1), itinerary(2, cabin_class="first")]
    assert totals(*offers, travelClass="BUSINESS") == ["2.00"]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"includedConnectionPoints": ["DEN"]}, ["1.00"]),
        ({"includedConnectionPoints": ["PAR"]}, ["3.00"]),
        ({"excludedConnectionPoints": ["DEN", "PAR"]}, ["2.00"]),
        ({"excludedConnectionPoints": ["DEN"]}, ["2.00", "3.00"]),
        ({"arrivalDateTimeRange": {"date": "2026-12-11"}}, []),
        ({"departureDateTimeRange": {"date": AHEAD, "time": "09:00", "timeWindow": "1H"}}, []),
    ],
)
def test_conditions_of_a_direction_hold(wanted: dict[str, Any], kept: list[str]) -> None:
    search = body()
    search["originDestinations"][0] |= wanted
    paris = itinerary(3, leg(segment("JFK", "ORY"), segment("ORY", "LAX")))
    answer = IgnavBridge(changing(1), itinerary(2), paris).post(search).json()
    assert [one["price"]["grandTotal"] for one in answer["data"]] == kept


def test_time_that_no_itinerary_names_cannot_be_limited() -> None:
    silent = itinerary(1, leg(duration_minutes=None))
    search = body(searchCriteria={"flightFilters": {"maxFlightTime": 110}})
    assert IgnavBridge(silent).post(search).status_code == 500
    found = IgnavBridge(silent, itinerary(2)).post(search).json()["data"]
    assert [one["price"]["grandTotal"] for one in found] == ["2.00"]


def test_offers_of_all_airports_are_one_list() -> None:
    bridge = IgnavBridge(itinerary(2), itinerary(1))
    found = bridge.offers(destinationLocationCode="PAR")
    assert [one["price"]["grandTotal"] for one in found] == ["1.00", "1.00", "2.00", "2.00"]


def test_legs_of_a_journey_are_itineraries() -> None:
    found = journey(900, leg(), leg(segment("LAX", "SFO")), leg(segment("SFO", "JFK")))
    days = [AHEAD, "2026-12-12", "2026-12-14"]
    search = body(*zip(("JFK", "LAX", "SFO"), ("LAX", "SFO", "JFK"), days, strict=True))
    (shown,) = IgnavBridge(found).post(search).json()["data"]
    assert len(shown["itineraries"]) == 3


def test_thousands_of_itineraries_are_read() -> None:
    assert totals(*(itinerary(3_000 - number) for number in range(3_000)), odd=True, max=1) == [
        "1.00"
    ]


def test_no_itineraries_are_an_empty_answer() -> None:
    answer = IgnavBridge().search().json()
    assert answer["data"] == []
    assert "dictionaries" not in answer
