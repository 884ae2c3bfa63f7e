"""What an offer of Amadeus shows, whatever Amadeus sends."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.errors import AmadeusBadAnswer
from api.models import FlightOffer, PriceQuery
from api.services.bodies import body_of, offer_of, price_of
from api.services.fares import Fare, cheapest_offer
from api.services.offers import read_offer

# The largest body: of an itinerary there and one back, with nine segments each.
MAX_BODY_BYTES = 2048
DAY = dt.datetime.now(dt.UTC).date() + dt.timedelta(30)
QUERY = PriceQuery.model_validate({"origin": "JFK", "destination": "LAX", "date": DAY})
CARRIERS = {"carriers": {"DL": "DELTA AIR LINES", "AF": "AIR FRANCE"}}


def segment(name: str = "1", **changed: object) -> dict[str, Any]:
    return {
        "id": name,
        "departure": {"iataCode": "JFK", "terminal": "4", "at": "2026-12-28T07:30:00"},
        "arrival": {"iataCode": "LAX", "at": "2026-12-28T10:42:00"},
        "carrierCode": "DL",
        "number": "123",
        "aircraft": {"code": "32Q"},
        "operating": {"carrierCode": "9E"},
        "duration": "PT6H12M",
        "numberOfStops": 0,
        **changed,
    }


def itinerary(*segments: object) -> dict[str, Any]:
    return {"duration": "PT6H12M", "segments": list(segments)}


def traveller(number: str = "1", **details: object) -> dict[str, Any]:
    """A traveller with the same cabin and bags in two segments."""
    return {
        "travelerId": number,
        "fareDetailsBySegment": [{"segmentId": each, **details} for each in ("1", "2")],
    }


def offer(**changed: object) -> dict[str, Any]:
    return {
        "type": "flight-offer",
        "price": {"grandTotal": "306.85", "currency": "EUR"},
        "validatingAirlineCodes": ["DL", "AF"],
        "numberOfBookableSeats": 4,
        "lastTicketingDate": "2026-12-01",
        "itineraries": [itinerary(segment())],
        "travelerPricings": [traveller(cabin="ECONOMY", includedCheckedBags={"quantity": 0})],
        **changed,
    }


def shown(dictionaries: object = CARRIERS, **changed: object) -> dict[str, Any]:
    """The document of an offer with these changes."""
    read = read_offer(QUERY, Fare("306.85", "EUR"), offer(**changed), dictionaries)
    return document_of(read)


def document_of(read: FlightOffer) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(offer_of(body_of(read)))["data"]
    return document


def first_segment(**changed: object) -> dict[str, Any]:
    found: dict[str, Any] = shown(**changed)["itineraries"][0]["segments"][0]
    return found


def test_offer_shows_price_airline_seats_itineraries_and_segments_in_order() -> None:
    data = shown()

    assert data == {
        "origin": "JFK", "destination": "LAX", "departure_date": DAY.isoformat(),
        "price": "306.85 EUR", "airline": {"code": "DL", "name": "DELTA AIR LINES"},
        "seats_left": 4, "book_by": "2026-12-01",
        "itineraries": [{"duration": "PT6H12M", "stops": 0, "segments": [{
            "flight": "DL123", "operated_by": "9E", "from": "JFK",
            "departs": "2026-12-28T07:30:00", "to": "LAX", "arrives": "2026-12-28T10:42:00",
            "aircraft": "32Q", "cabin": "ECONOMY", "checked_bags": 0}]}],
    }  # fmt: skip
    assert list(data) == [
        "origin", "destination", "departure_date", "price", "airline", "seats_left", "book_by",
        "itineraries",
    ]  # fmt: skip
    assert list(data["itineraries"][0]["segments"][0]) == [
        "flight", "operated_by", "from", "departs", "to", "arrives", "aircraft", "cabin",
        "checked_bags",
    ]  # fmt: skip


def test_airline_is_the_first_validating_airline() -> None:
    assert shown(validatingAirlineCodes=["AF", "DL"])["airline"]["code"] == "AF"
    assert shown(validatingAirlineCodes=[None, "DL"])["airline"] is None


@pytest.mark.parametrize("dictionaries", [None, [], {}, {"carriers": {"DL": 5}}], ids=repr)
def test_airline_without_a_name_keeps_its_code(dictionaries: object) -> None:
    assert shown(dictionaries)["airline"] == {"code": "DL", "name": None}


def test_stops_count_changes_of_plane_and_technical_stops() -> None:
    def stops(*technical: object) -> object:
        segments = [segment(numberOfStops=each) for each in technical]
        return shown(itineraries=[itinerary(*segments)])["itineraries"][0]["stops"]

    assert [stops(0), stops(1), stops(0, 0), stops(0, 2)] == [0, 1, 1, 3]
    assert [stops(None), stops(0, "1"), stops(-1, 1), stops(True)] == [None] * 4


def test_cabin_and_bags_are_those_of_the_first_traveller() -> None:
    first = traveller("2", cabin="BUSINESS", includedCheckedBags={"quantity": 2})
    second = traveller("1", cabin="ECONOMY", includedCheckedBags={"quantity": 1})

    found = first_segment(travelerPricings=[first, second])

    assert (found["cabin"], found["checked_bags"]) == ("BUSINESS", 2)


def test_cabin_and_bags_are_those_of_the_segment() -> None:
    details = [
        {"segmentId": "2", "cabin": "FIRST", "includedCheckedBags": {"quantity": 2}},
        {"segmentId": "1", "cabin": "ECONOMY", "includedCheckedBags": {"quantity": 1}},
    ]
    data = shown(
        itineraries=[itinerary(segment("1"), segment("2"))],
        travelerPricings=[{"fareDetailsBySegment": details}],
    )

    found = data["itineraries"][0]["segments"]

    assert [each["cabin"] for each in found] == ["ECONOMY", "FIRST"]
    assert [each["checked_bags"] for each in found] == [1, 2]


@pytest.mark.parametrize("bags", [{"weight": 23, "weightUnit": "KG"}, {}, None], ids=repr)
def test_bags_by_weight_are_null(bags: object) -> None:
    travellers = [traveller(cabin="ECONOMY", includedCheckedBags=bags)]

    assert first_segment(travelerPricings=travellers)["checked_bags"] is None


def test_times_are_the_local_times_of_amadeus() -> None:
    late = {"iataCode": "AKL", "at": "2026-12-30T05:05"}
    found = first_segment(itineraries=[itinerary(segment(arrival=late))])

    assert (found["departs"], found["arrives"]) == ("2026-12-28T07:30:00", "2026-12-30T05:05")


def test_round_trip_has_two_itineraries() -> None:
    there_and_back = [itinerary(segment("1")), itinerary(segment("2", number="124"))]

    found = shown(itineraries=there_and_back)["itineraries"]

    assert [one["segments"][0]["flight"] for one in found] == ["DL123", "DL124"]


def test_missing_parts_are_null_and_lists_are_empty() -> None:
    read = read_offer(QUERY, Fare("306.85", "EUR"), {}, None)

    data = document_of(read)

    assert data["price"] == "306.85 EUR"
    assert {name: data[name] for name in list(data)[4:]} == {
        "airline": None, "seats_left": None, "book_by": None, "itineraries": [],
    }  # fmt: skip


def test_malformed_itinerary_and_segment_keep_their_places() -> None:
    found = shown(itineraries=["odd", itinerary(None, segment())])["itineraries"]

    assert found[0] == {"duration": None, "stops": None, "segments": []}
    assert set(found[1]["segments"][0].values()) == {None}
    assert (found[1]["segments"][1]["flight"], found[1]["stops"]) == ("DL123", None)


ODD = [
    None, "", 0, -1, 10**400, 1.5, float("nan"), float("inf"), True, [], {}, ["DL"], {"code": "DL"},
    "\ud800", "\x00", "DL\n", "x" * 10_000, "١٢", "2026-13-01", "2026-13-01T00:00:00",
    "2026-12-28T07:30:00Z",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_odd_value_in_any_place_is_null_there_and_nowhere_else(odd: object) -> None:
    part = {"code": odd, "iataCode": odd, "at": odd, "carrierCode": odd}
    odd_segment = segment(
        departure=part, arrival=part, carrierCode=odd, aircraft=part, operating=part
    )
    details = traveller(cabin=odd, includedCheckedBags={"quantity": odd})

    data = shown(
        validatingAirlineCodes=[odd],
        lastTicketingDate=odd,
        itineraries=[{"duration": odd, "segments": [odd_segment]}],
        travelerPricings=[details],
    )

    [found] = data["itineraries"]
    count = odd if odd == 0 and odd is not False else None
    assert (data["airline"], data["book_by"], found["duration"]) == (None, None, None)
    assert found["segments"][0].pop("checked_bags") == count
    assert set(found["segments"][0].values()) == {None}
    assert (data["seats_left"], found["stops"]) == (4, 0)


@pytest.mark.parametrize("number", ["", "L123", "12345", "12AB", " 1", 123], ids=repr)
def test_odd_flight_number_is_null(number: object) -> None:
    assert first_segment(itineraries=[itinerary(segment(number=number))])["flight"] is None


@pytest.mark.parametrize("duration", ["P", "PT", "PT1", "6H12M", "P1Y", "PT1H2M3S4S"])
def test_odd_duration_is_null(duration: str) -> None:
    odd = {"duration": duration, "segments": [segment()]}

    assert shown(itineraries=[odd])["itineraries"][0]["duration"] is None


def test_list_that_is_too_long_is_malformed() -> None:
    assert shown(itineraries=[itinerary(segment())] * 3)["itineraries"] == []
    [found] = shown(itineraries=[itinerary(*[segment()] * 10)])["itineraries"]
    assert (found["stops"], found["segments"]) == (None, [])


def test_largest_offer_makes_a_small_body() -> None:
    ways = [
        itinerary(*[segment(f"{way}{n}", number=f"{way}{n}7") for n in range(9)]) for way in "12"
    ]
    read = read_offer(QUERY, Fare("306.85", "EUR"), offer(itineraries=ways), CARRIERS)

    assert len(body_of(read)) < MAX_BODY_BYTES


names = st.sampled_from(
    [
        "validatingAirlineCodes", "numberOfBookableSeats", "lastTicketingDate", "itineraries",
        "travelerPricings", "duration", "segments", "id", "departure", "arrival", "iataCode", "at",
        "carrierCode", "number", "aircraft", "code", "operating", "numberOfStops", "cabin",
        "fareDetailsBySegment", "segmentId", "includedCheckedBags", "quantity", "carriers", "price",
        "grandTotal", "currency", "DL",
    ]
)  # fmt: skip
leaves = st.sampled_from(
    [*ODD, "1", "EUR", "99.50", "100.00", "PT1H", "2026-12-28", "2026-12-28T07:30:00", 1, 10]
)
oddities = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
odd_offers = st.dictionaries(names, oddities, max_size=6).map(lambda odd: {**offer(), **odd})


@pytest.mark.thorough
@given(st.lists(odd_offers | oddities, max_size=4), st.dictionaries(names, oddities) | oddities)
@example([offer(validatingAirlineCodes=[-1])], {"carriers": []})
@example(["\ud800", offer()], {})
def test_odd_offer_never_costs_the_price(offers: list[object], dictionaries: object) -> None:
    try:
        cheapest = cheapest_offer(offers, None)
    except AmadeusBadAnswer:
        return
    if cheapest is None:
        return
    fare, found = cheapest

    body = body_of(read_offer(QUERY, fare, found, dictionaries))

    price = f"{fare.amount.removesuffix('.00')} {fare.currency}"
    data = json.loads(offer_of(body))["data"]
    assert json.loads(price_of(body))["data"]["price"] == data["price"] == price
    assert isinstance(data["itineraries"], list)
    assert len(body) < MAX_BODY_BYTES
