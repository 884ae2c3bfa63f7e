"""Properties that hold for any search within the specification."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.reference.airport_sizes import RANKS
from protocol.reference.currencies import CURRENCIES
from protocol.request.search import CABINS
from sandbox.world.airlines import AIRLINES
from tests.contract.answers import violations
from tests.support.clients.sandbox_client import TODAY, InProcess, body

pytestmark = pytest.mark.thorough

HONEST = InProcess()

busy = st.sampled_from(sorted(RANKS))
cities = st.sampled_from(["LON", "NYC", "PAR", "TYO", "ROM", "YMQ"])
small = st.sampled_from(["ITH", "INV", "BIQ", "LUG", "HIR", "LYR"])
codes = busy | cities | small
most = st.integers(1, 60)
days_ahead = st.integers(0, 300)
airlines = st.sets(st.sampled_from(sorted(AIRLINES)), min_size=1, max_size=20).map(",".join)


@st.composite
def searches(draw: st.DrawFn) -> dict[str, Any]:
    """Generates searches that the specification allows."""
    origin, destination = draw(st.lists(codes, min_size=2, max_size=2, unique=True))
    departure = TODAY + dt.timedelta(days=draw(days_ahead))
    adults = draw(st.integers(1, 9))
    optional = {
        "returnDate": st.integers(0, 30).map(lambda n: str(departure + dt.timedelta(days=n))),
        "children": st.integers(0, 9 - adults),
        "infants": st.integers(0, adults),
        "travelClass": st.sampled_from(CABINS),
        "nonStop": st.sampled_from(["true", "false"]),
        "currencyCode": st.sampled_from(sorted(CURRENCIES)),
        "maxPrice": st.integers(1, 100_000),
    }
    carriers = st.sampled_from(["includedAirlineCodes", "excludedAirlineCodes"])
    return {
        "originLocationCode": origin,
        "destinationLocationCode": destination,
        "departureDate": str(departure),
        "adults": adults,
        "max": draw(most),
        **draw(st.fixed_dictionaries({}, optional=optional)),
        **draw(st.dictionaries(carriers, airlines, max_size=1)),
    }


@settings(max_examples=50)
@given(searches())
def test_search_answers_match_their_schema_for_any_search(search: dict[str, Any]) -> None:
    answer = HONEST.get(search)
    assert answer.status_code == 200
    assert violations("search", answer) == []
    assert answer.json()["meta"]["count"] == len(answer.json()["data"]) <= search["max"]


@settings(max_examples=50)
@given(searches())
def test_offer_amounts_add_up_for_any_search(search: dict[str, Any]) -> None:
    for offer in HONEST.get(search).json()["data"]:
        price, people = offer["price"], offer["travelerPricings"]
        totals = [Decimal(one["price"]["total"]) for one in people]
        fees = sum(Decimal(fee["amount"]) for fee in price["fees"])
        assert Decimal(price["total"]) == sum(totals)
        assert Decimal(price["base"]) == sum(Decimal(one["price"]["base"]) for one in people)
        assert Decimal(price["grandTotal"]) == Decimal(price["total"]) + fees
        if "maxPrice" in search:
            assert max(totals) <= search["maxPrice"]


@settings(max_examples=50)
@given(searches(), st.integers(1, 30))
def test_cheapest_offer_does_not_depend_on_the_number_requested(
    search: dict[str, Any], most: int
) -> None:
    everything = HONEST.get(search | {"max": 250}).json()["data"]
    some = HONEST.get(search | {"max": most}).json()["data"]
    assert some == everything[:most]
    totals = [Decimal(offer["price"]["grandTotal"]) for offer in everything]
    assert totals == sorted(totals)


@settings(max_examples=50)
@given(searches())
def test_filters_are_respected_for_any_search(search: dict[str, Any]) -> None:
    included = set(search.get("includedAirlineCodes", ",".join(AIRLINES)).split(","))
    excluded = set(search.get("excludedAirlineCodes", "").split(","))
    least = CABINS.index(search.get("travelClass", "ECONOMY"))
    for offer in HONEST.get(search).json()["data"]:
        for itinerary in offer["itineraries"]:
            carriers = {segment["carrierCode"] for segment in itinerary["segments"]}
            assert carriers <= included - excluded
            if search.get("nonStop") == "true":
                assert [segment["numberOfStops"] for segment in itinerary["segments"]] == [0]
        details = offer["travelerPricings"][0]["fareDetailsBySegment"]
        assert all(CABINS.index(detail["cabin"]) >= least for detail in details)


@settings(max_examples=50)
@given(searches())
def test_offers_can_be_ticketed_before_departure_for_any_search(search: dict[str, Any]) -> None:
    for offer in HONEST.get(search).json()["data"]:
        departure = offer["itineraries"][0]["segments"][0]["departure"]["at"][:10]
        assert str(TODAY) <= offer["lastTicketingDate"] <= departure
        assert search["adults"] <= offer["numberOfBookableSeats"]


@settings(max_examples=50)
@given(searches())
def test_dictionaries_explain_every_code_for_any_search(search: dict[str, Any]) -> None:
    answer = HONEST.get(search).json()
    known = answer.get("dictionaries")
    for offer in answer["data"]:
        assert {*offer["validatingAirlineCodes"]} <= known["carriers"].keys()
        for segment in (part for way in offer["itineraries"] for part in way["segments"]):
            carriers = {segment["carrierCode"], segment["operating"]["carrierCode"]}
            assert carriers <= known["carriers"].keys()
            ends = [segment["departure"], segment["arrival"], *segment.get("stops", [])]
            assert {end["iataCode"] for end in ends} <= known["locations"].keys()
            assert segment["aircraft"]["code"] in known["aircraft"]


@settings(max_examples=40)
@given(searches(), st.sampled_from(["nonStop", "travelClass", "maxPrice"]))
def test_filter_only_removes_offers(search: dict[str, Any], name: str) -> None:
    search.pop("returnDate", None)
    narrow = HONEST.get(search | {"max": 250}).json()["data"]
    wide = HONEST.get({k: v for k, v in search.items() if k != name} | {"max": 250}).json()["data"]
    if narrow:
        assert float(wide[0]["price"]["grandTotal"]) <= float(narrow[0]["price"]["grandTotal"])


@settings(max_examples=50)
@given(searches())
def test_post_and_get_find_the_same_for_any_search(search: dict[str, Any]) -> None:
    plain = {name: search[name] for name in ("departureDate", "max")}
    route = search["originLocationCode"], search["destinationLocationCode"]
    posted = HONEST.post(
        body((*route, plain["departureDate"]), searchCriteria={"maxFlightOffers": plain["max"]})
    )
    assert violations("posted search", posted) == []
    got = HONEST.offers(originLocationCode=route[0], destinationLocationCode=route[1], **plain)
    assert posted.json()["data"] == got


texts = st.text(max_size=12)


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["originLocationCode", "departureDate", "returnDate", "adults", "children",
                         "infants", "travelClass", "includedAirlineCodes", "nonStop",
                         "currencyCode", "maxPrice", "max"]),
        texts,
    )
)  # fmt: skip
def test_random_parameters_are_refused_with_valid_errors(nonsense: dict[str, str]) -> None:
    answer = HONEST.search(**nonsense)
    if answer.status_code != 200:
        assert answer.status_code == 400
        assert violations("search", answer) == []
        blamed = {error["source"]["parameter"] for error in answer.json()["errors"]}
        assert blamed <= {*nonsense, "destinationLocationCode"}


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["originDestinations", "travelers", "sources", "searchCriteria", "id"]),
            inner,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(json)
def test_random_bodies_are_refused_with_valid_errors(nonsense: object) -> None:
    answer = HONEST.post(nonsense)
    assert answer.status_code == 400
    assert violations("posted search", answer) == []
