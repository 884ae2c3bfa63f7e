"""The parameters of a GET search filter the result."""

from typing import Any

import pytest

from protocol.request.search import CABINS
from sandbox.world.exchange_rates import RATES
from tests.support.clients.sandbox_client import InProcess, price


def carriers(offer: dict[str, Any]) -> set[str]:
    return {segment["carrierCode"] for one in offer["itineraries"] for segment in one["segments"]}


def operators(offer: dict[str, Any]) -> set[str]:
    segments = [segment for one in offer["itineraries"] for segment in one["segments"]]
    return {segment["operating"]["carrierCode"] for segment in segments}


def test_max_parameter_limits_the_number_and_keeps_the_cheapest(honest: InProcess) -> None:
    everything = honest.offers()
    for most in (1, 2, 10):
        assert honest.offers(max=most) == everything[:most]


def test_non_stop_search_returns_direct_flights_only(honest: InProcess) -> None:
    offers = honest.offers(nonStop="true")
    assert offers
    assert all(len(one["itineraries"][0]["segments"]) == 1 for one in offers)
    assert any(len(one["itineraries"][0]["segments"]) > 1 for one in honest.offers(nonStop="false"))


@pytest.mark.parametrize("number", range(4))
def test_travel_class_means_this_class_or_better(honest: InProcess, number: int) -> None:
    offers = honest.offers(travelClass=CABINS[number])
    details = [one["travelerPricings"][0]["fareDetailsBySegment"] for one in offers]
    assert offers
    assert {one["cabin"] for detail in details for one in detail} <= set(CABINS[number:])


def test_better_travel_classes_cost_more(honest: InProcess) -> None:
    cheapest = [price(honest.offers(travelClass=cabin, max=1)[0]) for cabin in CABINS]
    assert cheapest == sorted(cheapest)
    assert cheapest[3] > 3 * cheapest[0]


def test_included_airlines_are_the_only_ones_offered(honest: InProcess) -> None:
    offers = honest.offers(includedAirlineCodes="AC,6X")
    assert offers
    assert set().union(*map(carriers, offers)) == {"AC", "6X"}


def test_excluded_airlines_are_not_offered(honest: InProcess) -> None:
    offers = honest.offers(excludedAirlineCodes="AC,6X")
    assert offers
    assert not set().union(*map(carriers, offers)) & {"AC", "6X"}


def test_excluded_airlines_do_not_operate_for_others(honest: InProcess) -> None:
    route = {"destinationLocationCode": "BZN"}
    assert "7X" in set().union(*map(operators, honest.offers(**route)))
    offers = honest.offers(excludedAirlineCodes="7X", **route)
    assert offers
    assert "7X" not in set().union(*map(operators, offers))


def test_airline_that_does_not_serve_the_route_has_no_offers(honest: InProcess) -> None:
    assert honest.offers(includedAirlineCodes="FJ") == []


def test_maximum_price_applies_per_traveler(honest: InProcess) -> None:
    everything = honest.offers(adults=2)
    limit = int(price(everything[len(everything) // 2]) / 2)
    offers = honest.offers(adults=2, maxPrice=limit)
    assert 0 < len(offers) < len(everything)
    assert max(float(offer["travelerPricings"][0]["price"]["total"]) for offer in offers) <= limit


def test_prices_are_in_euro_by_default(honest: InProcess) -> None:
    assert honest.offers(max=1)[0]["price"]["currency"] == "EUR"


@pytest.mark.parametrize(
    ("code", "decimals"), [("USD", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3), ("IDR", 2)]
)
def test_prices_are_in_the_requested_currency(honest: InProcess, code: str, decimals: int) -> None:
    euro, other = honest.offers(max=1)[0], honest.offers(max=1, currencyCode=code)[0]
    assert other["price"]["currency"] == other["travelerPricings"][0]["price"]["currency"] == code
    assert len(other["price"]["grandTotal"].partition(".")[2]) == decimals
    assert price(other) / price(euro) == pytest.approx(RATES[code], rel=0.01)


def test_return_date_makes_a_round_trip(honest: InProcess) -> None:
    offers = honest.offers(returnDate="2026-12-17", max=20)
    assert len(offers) == 20
    for offer in offers:
        out, back = offer["itineraries"]
        assert out["segments"][0]["departure"]["iataCode"] == "JFK"
        assert back["segments"][0]["departure"]["iataCode"] == "LAX"
        assert back["segments"][0]["departure"]["at"].startswith("2026-12-17")


def test_search_without_a_return_date_is_one_way(honest: InProcess) -> None:
    assert {len(offer["itineraries"]) for offer in honest.offers()} == {1}


def test_same_day_return_departs_after_arrival(honest: InProcess) -> None:
    offers = honest.offers(
        originLocationCode="LHR", destinationLocationCode="CDG", returnDate="2026-12-10"
    )
    assert offers
    for offer in offers:
        out, back = offer["itineraries"]
        assert out["segments"][-1]["arrival"]["at"] < back["segments"][0]["departure"]["at"]


def test_travelers_are_priced_individually(honest: InProcess) -> None:
    offer = honest.offers(adults=2, children=1, infants=2, max=1)[0]
    pricings = offer["travelerPricings"]
    types = [one["travelerType"] for one in pricings]
    totals = [float(one["price"]["total"]) for one in pricings]
    assert types == ["ADULT", "ADULT", "CHILD", "HELD_INFANT", "HELD_INFANT"]
    assert totals[0] == totals[1] > totals[2] > totals[3] == totals[4] > 0
    assert [one.get("associatedAdultId") for one in pricings[3:]] == ["1", "2"]
