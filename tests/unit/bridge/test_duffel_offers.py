"""What Duffel's offers become, and which of them are left out."""

from typing import Any

import pytest

from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import AHEAD, body, refusals
from tests.support.providers.duffel import (
    airline,
    airport,
    offer,
    passenger,
    segment,
    traveler,
    way,
)

STOP = {
    "id": "stp_1",
    "airport": airport("DEN"),
    "arriving_at": "2026-12-10T09:20:00",
    "departing_at": "2026-12-10T10:10:00",
    "duration": "PT00H50M",
}


def totals(*offers: dict[str, Any], **changes: Any) -> list[str]:
    return [one["price"]["grandTotal"] for one in Bridge(*offers).offers(**changes)]


def filtered(*offers: dict[str, Any], **criteria: Any) -> list[str]:
    answer = Bridge(*offers).post(body(searchCriteria=criteria))
    assert answer.status_code == 200, answer.text
    return [one["price"]["grandTotal"] for one in answer.json()["data"]]


def test_offer_shows_what_duffel_says() -> None:
    answer = Bridge(offer()).search().json()
    assert answer["data"] == [
        {
            "type": "flight-offer",
            "id": "1",
            "source": "GDS",
            "instantTicketingRequired": False,
            "lastTicketingDate": "2026-12-01",
            "itineraries": [
                {
                    "duration": "PT6H12M",
                    "segments": [
                        {
                            "departure": {
                                "iataCode": "JFK",
                                "terminal": "4",
                                "at": "2026-12-10T07:30:00",
                            },
                            "arrival": {"iataCode": "LAX", "at": "2026-12-10T10:42:00"},
                            "carrierCode": "ZZ",
                            "number": "123",
                            "aircraft": {"code": "32Q"},
                            "operating": {"carrierCode": "BA"},
                            "duration": "PT6H12M",
                            "id": "1",
                            "numberOfStops": 0,
                        }
                    ],
                }
            ],
            "price": {
                "currency": "GBP",
                "total": "306.85",
                "base": "280.00",
                "grandTotal": "306.85",
            },
            "pricingOptions": {"fareType": ["PUBLISHED"], "includedCheckedBagsOnly": True},
            "validatingAirlineCodes": ["ZZ"],
            "travelerPricings": [
                {
                    "travelerId": "1",
                    "fareOption": "STANDARD",
                    "travelerType": "ADULT",
                    "price": {"currency": "GBP", "total": "306.85", "base": "280.00"},
                    "fareDetailsBySegment": [
                        {
                            "segmentId": "1",
                            "cabin": "ECONOMY",
                            "fareBasis": "Y20LGTN2",
                            "brandedFare": "Basic",
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
        "aircraft": {"32Q": "Airbus A321neo"},
        "currencies": {"GBP": "POUND STERLING"},
        "carriers": {"ZZ": "Duffel Airways", "BA": "British Airways"},
    }


def test_offers_are_sorted_by_price_as_decimal_and_limited() -> None:
    offers = [offer(total) for total in ("1000.00", "627.00", "79.62", "395.25")]
    assert totals(*offers, max=3) == ["79.62", "395.25", "627.00"]


@pytest.mark.parametrize(
    ("total", "currency", "shown"),
    [
        ("199.9", "EUR", "199.90"),
        ("0.125", "EUR", "0.13"),
        ("19999.5", "JPY", "20000"),
        ("0.1234", "KWD", "0.123"),
        (306.85, "GBP", "306.85"),
        ("12", "QQQ", "12.00"),
    ],
)
def test_amount_has_the_digits_of_its_currency(total: object, currency: str, shown: str) -> None:
    assert totals(offer(total, total_currency=currency)) == [shown]


def test_amounts_in_several_currencies_are_not_compared() -> None:
    pounds, dollars = offer("200.00"), offer("250.00", total_currency="USD")
    offers = [pounds, offer("9000", total_currency="JPY"), dollars, offer("100.00")]
    assert totals(*offers) == ["100.00", "200.00", "9000", "250.00"]
    assert totals(*offers, currencyCode="USD", max=1) == ["250.00"]


@pytest.mark.parametrize("currency", [{}, {"currencyCode": "GBP"}])
def test_maximum_price_in_several_currencies_is_refused(currency: dict[str, str]) -> None:
    offers = [offer("200.00"), offer("9000", total_currency="JPY")]
    answer = Bridge(*offers).search(maxPrice=400, **currency)
    assert refusals(answer) == [(2668, "maxPrice")]


AMOUNTS: list[Any] = ["-1.00", "0.00", "NaN", "1e5", "1_000", "", None, True, [1], "9" * 400]
BROKEN: list[Any] = [
    *map(offer, AMOUNTS),
    offer(total_currency=None),
    offer(slices=None),
    offer("1.00", way(), way()),
    offer("1.00", way(segments=[])),
    offer("1.00", way(segment(marketing_carrier=airline(None)))),
    offer("1.00", way(segment() | {"origin": None})),
    offer("1.00", way(segment(departing_at="soon"))),
    offer("1.00", way(segment(), segment(arriving_at=None))),
    {},
    None,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_offer_that_cannot_be_read_is_left_out(broken: Any) -> None:
    assert totals(broken, offer()) == ["306.85"]


def test_unknown_parts_stay_out() -> None:
    sparse = segment(
        origin_terminal=None,
        duration=None,
        operating_carrier=airline(None),
        aircraft=None,
        passengers=[passenger(baggages=[], cabin_class="suite", fare_basis_code=None)],
    )
    del sparse["stops"]
    bare = offer(
        "306.85",
        way(sparse, duration=None, fare_brand_name=None),
        owner=airline(None),
        expires_at=None,
        payment_requirements=None,
        base_amount=None,
    )
    (shown,) = Bridge(bare).offers()
    assert shown["itineraries"][0]["segments"][0].keys() == {
        "departure", "arrival", "carrierCode", "number", "id",
    }  # fmt: skip
    assert shown["travelerPricings"][0]["fareDetailsBySegment"] == [{"segmentId": "1"}]
    assert shown["price"] == {"currency": "GBP", "total": "306.85", "grandTotal": "306.85"}
    assert not shown.keys() & {"lastTicketingDate", "validatingAirlineCodes"}


def test_travelers_of_a_party_have_their_own_cabin_and_no_price() -> None:
    flying = segment(
        passengers=[
            passenger("pas_child", "business"),
            passenger("pas_adult", "first", baggages=[]),
        ]
    )
    people = [{"id": "pas_child", "type": "child", "age": 8}, {"id": "pas_adult", "type": "adult"}]
    (shown,) = Bridge(offer("500.00", way(flying), passengers=people)).offers(children=1)
    adult, child = shown["travelerPricings"]
    assert adult["fareDetailsBySegment"][0]["cabin"] == "FIRST"
    assert child["fareDetailsBySegment"][0]["cabin"] == "BUSINESS"
    assert "price" not in adult
    assert "price" not in child


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "2026-12-01T10:00:00", "soon", 1])
def test_odd_day_to_book_by_stays_out(moment: object) -> None:
    (shown,) = Bridge(offer(expires_at=moment, payment_requirements=None)).offers()
    assert "lastTicketingDate" not in shown


def test_stop_that_ends_before_it_begins_is_not_known() -> None:
    odd = STOP | {"departing_at": "2026-12-10T09:19:00"}
    (shown,) = Bridge(offer("1.00", way(segment(stops=[odd])))).offers()
    assert not shown["itineraries"][0]["segments"][0].keys() & {"numberOfStops", "stops"}


def test_technical_stop_is_shown() -> None:
    (shown,) = Bridge(offer("1.00", way(segment(stops=[STOP])))).offers()
    flown = shown["itineraries"][0]["segments"][0]
    assert flown["numberOfStops"] == 1
    assert flown["stops"] == [
        {
            "iataCode": "DEN",
            "duration": "PT50M",
            "arrivalAt": "2026-12-10T09:20:00",
            "departureAt": "2026-12-10T10:10:00",
        }
    ]


CHEAP_AND_WRONG: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (offer("1.00", way(segment(stops=[STOP]))), {"nonStop": "true"}),
    (offer("1.00", way(segment("JFK", "DEN"), segment("DEN", "LAX"))), {"nonStop": "true"}),
    (offer("1.00", way(segment(marketing_carrier=airline("QF")))), {"includedAirlineCodes": "ZZ"}),
    (offer("1.00", way(segment(marketing_carrier=airline("QF")))), {"excludedAirlineCodes": "QF"}),
    (offer("1.00", way(segment(operating_carrier=airline("QF")))), {"excludedAirlineCodes": "QF"}),
    (offer("400.01"), {"maxPrice": 400}),
]


@pytest.mark.parametrize(("wrong", "changes"), CHEAP_AND_WRONG)
def test_offer_that_does_not_fulfil_the_search_is_left_out(
    wrong: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert totals(wrong, offer("306.85"), **changes) == ["306.85"]


def test_offer_is_kept_if_most_of_its_time_is_in_the_cabin_or_a_higher_one() -> None:
    feeder = segment("JFK", "DEN", duration="PT1H")
    long = [passenger(cabin="first")]
    mostly = way(feeder, segment("DEN", "LAX", duration="PT5H", passengers=long))
    hardly = way(
        segment("JFK", "DEN", duration="PT1H", passengers=long),
        segment("DEN", "LAX", duration="PT5H"),
    )
    assert totals(offer("1.00", hardly), offer("2.00", mostly), travelClass="BUSINESS") == ["2.00"]


@pytest.mark.parametrize(
    ("wrong", "criteria"),
    [
        (
            offer("1.00", way(segment(passengers=[passenger(baggages=[])]))),
            {"pricingOptions": {"includedCheckedBagsOnly": True}},
        ),
        (
            offer("1.00", way(duration="PT9H")),
            {"flightFilters": {"maxFlightTime": 110}},
        ),
    ],
)
def test_offer_that_does_not_meet_the_criteria_is_left_out(
    wrong: dict[str, Any], criteria: dict[str, Any]
) -> None:
    assert filtered(wrong, offer("306.85"), **criteria) == ["306.85"]


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ("refundableFare", ["2.00", "3.00"]),
        ("noPenaltyFare", ["3.00"]),
        ("noRestrictionFare", ["3.00"]),
    ],
)
def test_conditions_of_the_fare_can_be_asked_for(option: str, kept: list[str]) -> None:
    def allowed(penalty: str) -> dict[str, Any]:
        return {"allowed": True, "penalty_amount": penalty, "penalty_currency": "GBP"}

    free = allowed("0.00")
    refunds = [("1.00", None), ("2.00", allowed("9.00")), ("3.00", free)]
    change = {"change_before_departure": free}
    offers = [
        offer(total, conditions={"refund_before_departure": refund} | change)
        for total, refund in refunds
    ]
    assert filtered(*offers, pricingOptions={option: True}) == kept


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"includedConnectionPoints": ["DEN"]}, ["1.00"]),
        ({"excludedConnectionPoints": ["DEN"]}, ["2.00"]),
        ({"arrivalDateTimeRange": {"date": "2026-12-11"}}, []),
        (
            {"departureDateTimeRange": {"date": AHEAD, "time": "12:00", "timeWindow": "1H"}},
            [],
        ),
    ],
)
def test_conditions_of_a_direction_hold(wanted: dict[str, Any], kept: list[str]) -> None:
    changing = offer("1.00", way(segment("JFK", "DEN"), segment("DEN", "LAX")))
    search = body()
    search["originDestinations"][0] |= wanted
    answer = Bridge(changing, offer("2.00")).post(search).json()
    assert [one["price"]["grandTotal"] for one in answer["data"]] == kept


def test_held_infant_needs_no_place_in_the_cabin() -> None:
    people = [traveler(), traveler("pas_2", "infant_without_seat", 1)]
    found = offer("1.00", passengers=people)
    assert totals(found, infants=1, travelClass="ECONOMY") == ["1.00"]


QANTAS = [offer("1.00", way(segment(marketing_carrier=airline("QF"))))]


def test_pages_are_read_until_enough_offers_are_found() -> None:
    bridge = Bridge(*QANTAS * 120, offer("2.00"))
    assert len(bridge.offers(max=50, includedAirlineCodes="ZZ")) == 1
    assert [(one.get("after"), one["limit"]) for one in bridge.duffel.lists] == [
        (None, "50"), ("50", "50"), ("100", "50"),
    ]  # fmt: skip


def test_pages_that_are_not_read_are_not_taken_for_no_offers() -> None:
    bridge = Bridge(*QANTAS * 300, offer("2.00"))
    answer = bridge.search(max=50, includedAirlineCodes="ZZ")
    assert (answer.status_code, refusals(answer)) == (500, [(141, "")])
    assert len(bridge.duffel.lists) == 6
    assert Bridge(*QANTAS * 300).offers(max=50, includedAirlineCodes="ZZ") == []


def test_no_offers_are_an_empty_answer() -> None:
    answer = Bridge().search().json()
    assert answer["data"] == []
    assert answer["meta"]["count"] == 0
    assert "dictionaries" not in answer


@pytest.mark.parametrize(
    ("when", "first"),
    [
        ({"departureDateTimeRange": {"date": AHEAD, "time": "09:00:00"}}, "09:30"),
        ({"departureDateTimeRange": {"date": AHEAD, "time": "20:00:00"}}, "18:00"),
        ({"arrivalDateTimeRange": {"date": AHEAD, "time": "21:00:00"}}, "18:00"),
    ],
)
def test_time_without_a_window_prefers_and_limits_nothing(when: dict[str, Any], first: str) -> None:
    offers = [
        offer(
            total, way(segment(departing_at=f"{AHEAD}T{out}:00", arriving_at=f"{AHEAD}T{in_}:00"))
        )
        for total, out, in_ in [
            ("9.00", "07:30", "10:42"),
            ("2.00", "18:00", "21:12"),
            ("2.00", "09:30", "12:42"),
        ]
    ]
    search = body()
    search["originDestinations"][0] |= when
    found = Bridge(*offers).post(search).json()["data"]
    departures = [one["itineraries"][0]["segments"][0]["departure"]["at"] for one in found]
    assert len(departures) == 3
    assert departures[0] == f"{AHEAD}T{first}:00"
    assert departures[2] == f"{AHEAD}T07:30:00"


def test_sample_of_amadeus_is_answered() -> None:
    """It asks for what the example in the OpenAPI file does: a time alone, and a cabin."""
    criteria = {
        "maxFlightOffers": 2,
        "flightFilters": {
            "cabinRestrictions": [
                {"cabin": "ECONOMY", "coverage": "MOST_SEGMENTS", "originDestinationIds": ["1"]}
            ]
        },
    }
    search = body(("JFK", "LAX", AHEAD), currencyCode="USD", searchCriteria=criteria)
    search["originDestinations"][0]["departureDateTimeRange"]["time"] = "10:00:00"
    assert Bridge(offer()).post(search).json()["meta"]["count"] == 1
