"""Offers are realistic: times, places, carriers and amounts are consistent."""

import datetime as dt
from functools import cache
from itertools import pairwise, permutations
from typing import Any
from zoneinfo import ZoneInfo

import airportsdata
import pytest

from protocol.reference.airports import Airports
from sandbox.world.airlines import AIRLINES, BAGS_BY_WEIGHT, PARTNERS, REGIONAL
from tests.support.clients.sandbox_client import Clock, InProcess, length, price

ROUTES = [("JFK", "LAX"), ("LHR", "SYD"), ("MAD", "BCN"), ("SIN", "SFO"), ("AKL", "PPT")]


@cache
def package_airports() -> dict[str, airportsdata.Airport]:
    """Every airport. Loading them takes time that collecting the tests need not take."""
    return airportsdata.load("IATA")


def moment(end: dict[str, str]) -> dt.datetime:
    zone = ZoneInfo(package_airports()[end["iataCode"]]["tz"])
    return dt.datetime.fromisoformat(end["at"]).replace(tzinfo=zone).astimezone(dt.UTC)


@pytest.fixture(scope="module", params=ROUTES, ids="-".join)
def answer(request: pytest.FixtureRequest, honest: InProcess) -> dict[str, Any]:
    origin, destination = request.param
    found: dict[str, Any] = honest.search(
        originLocationCode=origin, destinationLocationCode=destination, max=250
    ).json()
    assert found["data"]
    return found


def test_local_times_and_durations_agree(answer: dict[str, Any]) -> None:
    for offer in answer["data"]:
        for itinerary in offer["itineraries"]:
            segments = itinerary["segments"]
            ends = moment(segments[0]["departure"]), moment(segments[-1]["arrival"])
            assert ends[1] - ends[0] == length(itinerary["duration"])
            for one in segments:
                took = moment(one["arrival"]) - moment(one["departure"])
                assert took == length(one["duration"])


def test_connections_leave_enough_time_to_change(answer: dict[str, Any]) -> None:
    for offer in answer["data"]:
        segments = offer["itineraries"][0]["segments"]
        for landed, leaves in pairwise(segments):
            assert landed["arrival"]["iataCode"] == leaves["departure"]["iataCode"]
            wait = moment(leaves["departure"]) - moment(landed["arrival"])
            assert dt.timedelta(minutes=55) <= wait <= dt.timedelta(hours=14)


def test_departures_are_on_the_requested_day(answer: dict[str, Any]) -> None:
    days = {o["itineraries"][0]["segments"][0]["departure"]["at"][:10] for o in answer["data"]}
    assert days == {"2026-12-10"}


def test_amounts_of_an_offer_add_up(answer: dict[str, Any]) -> None:
    for offer in answer["data"]:
        total = float(offer["price"]["total"])
        travelers = sum(float(one["price"]["total"]) for one in offer["travelerPricings"])
        fees = sum(float(fee["amount"]) for fee in offer["price"]["fees"])
        assert total == pytest.approx(travelers)
        assert price(offer) == pytest.approx(total + fees)
        assert 0 < float(offer["price"]["base"]) < total


def test_offers_are_sorted_by_price(answer: dict[str, Any]) -> None:
    prices = [price(offer) for offer in answer["data"]]
    assert prices == sorted(prices)


def test_dictionaries_explain_every_code(answer: dict[str, Any]) -> None:
    segments = [s for o in answer["data"] for i in o["itineraries"] for s in i["segments"]]
    ends = [segment[end] for segment in segments for end in ("departure", "arrival")]
    stops = [stop for segment in segments for stop in segment.get("stops", [])]
    known = answer["dictionaries"]
    assert set(known["locations"]) == {end["iataCode"] for end in [*ends, *stops]}
    assert set(known["aircraft"]) == {segment["aircraft"]["code"] for segment in segments}
    assert set(known["carriers"]) == {
        code for s in segments for code in (s["carrierCode"], s["operating"]["carrierCode"])
    }
    assert known["currencies"] == {"EUR": "EURO"}


def test_technical_stops_lie_within_their_flight(honest: InProcess) -> None:
    found = stopping(long_haul(honest))
    assert found
    for segment in found:
        [stop] = segment["stops"]
        lands, leaves = (at_stop(stop, name) for name in ("arrivalAt", "departureAt"))
        assert leaves - lands == length(stop["duration"]) >= dt.timedelta(minutes=45)
        assert lands - moment(segment["departure"]) > dt.timedelta(hours=1)
        assert moment(segment["arrival"]) - leaves > dt.timedelta(hours=1)
        ends = {segment["departure"]["iataCode"], segment["arrival"]["iataCode"]}
        assert stop["iataCode"] not in ends


def test_nonstop_search_finds_no_flight_with_a_technical_stop(honest: InProcess) -> None:
    assert stopping(long_haul(honest, max=250))
    nonstop = long_haul(honest, nonStop="true")
    assert nonstop
    assert stopping(nonstop) == []


def at_stop(stop: dict[str, str], name: str) -> dt.datetime:
    return moment({"iataCode": stop["iataCode"], "at": stop[name]})


def long_haul(honest: InProcess, **search: object) -> list[dict[str, Any]]:
    """Offers on three long routes."""
    routes = [("JFK", "FRA"), ("LAX", "NRT"), ("CDG", "GRU")]
    return [
        offer
        for origin, destination in routes
        for offer in honest.offers(
            originLocationCode=origin, destinationLocationCode=destination, **search
        )
    ]


def every_segment(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for one in offers for way in one["itineraries"] for part in way["segments"]]


def stopping(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [segment for segment in every_segment(offers) if segment["numberOfStops"]]


def test_partners_in_an_alliance_operate_some_flights_from_or_to_their_hubs(
    honest: InProcess,
) -> None:
    segments = every_segment(long_haul(honest))
    shared = [one for one in segments if one["operating"]["carrierCode"] != one["carrierCode"]]
    assert 0.02 < len(shared) / len(segments) < 0.5
    for segment in shared:
        operator = segment["operating"]["carrierCode"]
        hubs = AIRLINES[operator].hubs
        ends = {segment["departure"]["iataCode"], segment["arrival"]["iataCode"]}
        assert operator == REGIONAL or (
            operator in PARTNERS[segment["carrierCode"]] and ends & {*hubs}
        )


def test_checked_bags_are_none_or_a_number_or_a_weight(honest: InProcess) -> None:
    offers = honest.offers(originLocationCode="CDG", destinationLocationCode="SIN")
    seen = set()
    for offer in offers:
        carrier = offer["validatingAirlineCodes"][0]
        details = offer["travelerPricings"][0]["fareDetailsBySegment"]
        bags = [detail["includedCheckedBags"] for detail in details]
        assert all(("weight" in one) == (carrier in BAGS_BY_WEIGHT) for one in bags)
        included = offer["pricingOptions"]["includedCheckedBagsOnly"]
        assert all((one != {"quantity": 0}) == included for one in bags)
        seen |= {(details[0]["brandedFare"], *one.items()) for one in bags}
    assert {
        ("LIGHT", ("quantity", 0)),
        ("CLASSIC", ("quantity", 1)),
        ("BUSINESS", ("quantity", 2)),
        ("LIGHT", ("weight", 25), ("weightUnit", "KG")),
        ("BUSINESS", ("weight", 35), ("weightUnit", "KG")),
    } <= seen


def test_cheapest_offers_of_many_routes_differ_in_all_that_they_show(honest: InProcess) -> None:
    places = "JFK LHR SIN DXB NRT GRU JNB DEL".split()  # noqa: SIM905 - easier to read
    cheapest = [
        honest.offers(originLocationCode=one, destinationLocationCode=other, max=1)[0]
        for one, other in permutations(places, 2)
    ]
    segments = [one["itineraries"][0]["segments"] for one in cheapest]
    bags = [
        one["travelerPricings"][0]["fareDetailsBySegment"][0]["includedCheckedBags"]
        for one in cheapest
    ]
    assert {len(one) for one in segments} == {1, 2, 3}
    assert {one["numberOfBookableSeats"] for one in cheapest} == set(range(1, 10))
    assert len({one["validatingAirlineCodes"][0] for one in cheapest}) > 10
    assert len({part["aircraft"]["code"] for one in segments for part in one}) > 5
    assert {"quantity": 0} in bags
    assert {"quantity": 1} in bags
    assert {"weight": 25, "weightUnit": "KG"} in bags


def test_segments_are_numbered_and_priced(answer: dict[str, Any]) -> None:
    seen: list[str] = []
    for offer in answer["data"]:
        ids = [s["id"] for i in offer["itineraries"] for s in i["segments"]]
        for pricing in offer["travelerPricings"]:
            assert [d["segmentId"] for d in pricing["fareDetailsBySegment"]] == ids
        seen += ids
    assert seen == [str(n) for n in range(1, len(seen) + 1)]


def test_ticketing_date_is_soon_and_before_departure(honest: InProcess) -> None:
    assert honest.offers(max=1)[0]["lastTicketingDate"] == "2026-11-24"
    assert honest.offers(max=1, departureDate="2026-11-22")[0]["lastTicketingDate"] == "2026-11-22"
    assert honest.offers(max=1, departureDate="2027-02-01")[0]["lastTicketingDate"] == "2026-11-27"
    flexible = {one["lastTicketingDate"] for one in honest.offers()}
    assert flexible == {"2026-11-24", "2026-11-28", "2026-12-05", "2026-12-10"}


@pytest.mark.parametrize("adults", [1, 5, 9])
def test_offers_have_a_seat_for_each_passenger_who_needs_one(
    honest: InProcess, adults: int
) -> None:
    seats = [one["numberOfBookableSeats"] for one in honest.offers(adults=adults, infants=1)]
    assert seats
    assert adults <= min(seats) <= max(seats) <= 9


def test_departed_flights_are_not_sold() -> None:
    sydney = {"originLocationCode": "SYD", "destinationLocationCode": "MEL"}
    clock = Clock(dt.datetime(2026, 11, 21, 1, 33, tzinfo=dt.UTC).timestamp())
    sandbox = InProcess(clock)
    assert sandbox.offers(departureDate="2026-11-20", **sydney) == []
    today = sandbox.offers(departureDate="2026-11-21", **sydney)
    assert today
    assert min(o["itineraries"][0]["segments"][0]["departure"]["at"] for o in today) > (
        "2026-11-21T12:33"
    )
    assert {one["lastTicketingDate"] for one in today} == {"2026-11-21"}


@pytest.mark.parametrize(
    ("date", "route"),
    [
        ("2027-03-13", ("JFK", "LAX")),
        ("2027-03-14", ("LAX", "JFK")),
        ("2027-03-27", ("JFK", "LHR")),
        ("2027-03-28", ("LHR", "CDG")),
        ("2027-10-30", ("SYD", "LHR")),
        ("2027-10-31", ("FRA", "JFK")),
        ("2027-11-06", ("SFO", "MIA")),
    ],
)
def test_times_and_durations_agree_when_clocks_change(
    honest: InProcess, date: str, route: tuple[str, str]
) -> None:
    ends = {"originLocationCode": route[0], "destinationLocationCode": route[1]}
    for offer in honest.offers(departureDate=date, **ends):
        for one in offer["itineraries"][0]["segments"]:
            took = moment(one["arrival"]) - moment(one["departure"])
            # The hour that occurs twice when clocks change is ambiguous.
            folded = moment_again(one["arrival"]) - moment(one["departure"])
            assert length(one["duration"]) in {took, folded}


@pytest.mark.parametrize(
    ("date", "before", "route"),
    [
        ("2027-03-14", "2027-03-10", ("LAX", "JFK")),
        ("2027-03-28", "2027-03-24", ("LHR", "CDG")),
        ("2027-10-31", "2027-10-27", ("FRA", "MAD")),
    ],
)
def test_flights_keep_their_local_time_when_clocks_change(
    honest: InProcess, date: str, before: str, route: tuple[str, str]
) -> None:
    def times(day: str) -> set[str]:
        ends = {"originLocationCode": route[0], "destinationLocationCode": route[1]}
        offers = honest.offers(departureDate=day, nonStop="true", **ends)
        return {o["itineraries"][0]["segments"][0]["departure"]["at"][11:] for o in offers}

    assert times(date)
    assert times(date) == times(before)


def moment_again(end: dict[str, str]) -> dt.datetime:
    zone = ZoneInfo(package_airports()[end["iataCode"]]["tz"])
    return dt.datetime.fromisoformat(end["at"]).replace(tzinfo=zone, fold=1).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("city", "airports"),
    [
        ("NYC", {"JFK", "EWR", "LGA"}),
        ("LON", {"LHR", "LGW", "STN", "LTN", "LCY"}),
        ("PAR", {"CDG", "ORY"}),
        ("JNB", {"JNB", "HLA"}),
        ("KUL", {"KUL", "SZB"}),
    ],
)
def test_city_code_covers_its_airports(honest: InProcess, city: str, airports: set[str]) -> None:
    answer = honest.search(originLocationCode=city, destinationLocationCode="MAD", max=250).json()
    origins = {o["itineraries"][0]["segments"][0]["departure"]["iataCode"] for o in answer["data"]}
    assert len(origins) > 1
    assert origins == airports
    assert {answer["dictionaries"]["locations"][code]["cityCode"] for code in origins} == {city}


def test_search_between_cities_covers_every_airport_of_both(honest: InProcess) -> None:
    found = honest.offers(originLocationCode="LON", destinationLocationCode="NYC")
    segments = [offer["itineraries"][0]["segments"] for offer in found]
    assert {one[0]["departure"]["iataCode"] for one in segments} == {
        *("LHR", "LGW", "STN", "LTN", "LCY")
    }
    assert {one[-1]["arrival"]["iataCode"] for one in segments} == {"JFK", "EWR", "LGA"}


def test_city_code_covers_every_airport_that_the_package_knows_by_it() -> None:
    airports = Airports()
    for city, known in airportsdata.load_iata_macs().items():
        found = {airport.code for airport in airports.airports_of(city)}
        assert found >= set(known["airports"]) | ({city} & package_airports().keys())


def test_identical_searches_have_identical_offers() -> None:
    assert InProcess().offers() == InProcess().offers()


def test_different_seeds_have_different_offers() -> None:
    assert InProcess(seed="one").offers(max=5) != InProcess(seed="two").offers(max=5)


@pytest.mark.parametrize(("origin", "destination"), [("HIR", "LYR"), ("CDG", "ORY")])
def test_route_without_flights_has_an_empty_list(
    honest: InProcess, origin: str, destination: str
) -> None:
    answer = honest.search(originLocationCode=origin, destinationLocationCode=destination)
    assert answer.status_code == 200
    assert answer.json()["data"] == []
    assert answer.json()["meta"]["count"] == 0


def test_longer_routes_cost_more(honest: InProcess) -> None:
    routes = [("LHR", "CDG"), ("JFK", "LAX"), ("LHR", "SIN"), ("LHR", "AKL")]
    prices = [
        price(honest.offers(originLocationCode=a, destinationLocationCode=b, max=1)[0])
        for a, b in routes
    ]
    assert prices == sorted(prices)


def test_last_minute_flights_cost_more() -> None:
    early, late = Clock(), Clock()
    late.now += 18 * 86_400
    offers = [InProcess(clock).offers(max=1)[0] for clock in (early, late)]
    assert price(offers[1]) > 1.2 * price(offers[0])


def test_tuesday_flights_are_cheaper_than_sunday_flights(honest: InProcess) -> None:
    def average(date: str) -> float:
        offers = honest.offers(departureDate=date, travelClass="ECONOMY")
        return sum(map(price, offers[:30])) / 30

    assert average("2027-02-09") < average("2027-02-14")


def test_july_flights_cost_more_than_february_flights() -> None:
    def average(date: dt.date) -> float:
        noon = dt.datetime.combine(date - dt.timedelta(days=30), dt.time(12), dt.UTC)
        offers = InProcess(Clock(noon.timestamp())).offers(departureDate=str(date))
        return sum(map(price, offers[:30])) / 30

    assert average(dt.date(2027, 7, 15)) > 1.2 * average(dt.date(2027, 2, 11))  # both Thursdays


def test_same_flight_appears_in_different_searches(honest: InProcess) -> None:
    def flights(**search: str) -> set[tuple[str, ...]]:
        offers = honest.offers(nonStop="true", **search)
        parts = [offer["itineraries"][0]["segments"][0] for offer in offers]
        return {(s["carrierCode"], s["number"], s["departure"]["at"]) for s in parts}

    one = flights(destinationLocationCode="LAX")
    assert one
    assert one <= flights(originLocationCode="NYC")
