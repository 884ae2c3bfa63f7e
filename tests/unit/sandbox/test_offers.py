"""Offers are realistic: times, places, carriers and amounts are consistent."""

import datetime as dt
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import airportsdata
import pytest

from sandbox.world.airports import Airports
from tests.support.clients.sandbox_client import Clock, InProcess, length, price

AIRPORTS = airportsdata.load("IATA")
ROUTES = [("JFK", "LAX"), ("LHR", "SYD"), ("MAD", "BCN"), ("SIN", "SFO"), ("AKL", "PPT")]


def moment(end: dict[str, str]) -> dt.datetime:
    zone = ZoneInfo(AIRPORTS[end["iataCode"]]["tz"])
    return dt.datetime.fromisoformat(end["at"]).replace(tzinfo=zone).astimezone(dt.UTC)


@pytest.fixture(scope="module", params=ROUTES, ids="-".join)
def answer(request: pytest.FixtureRequest, honest: InProcess) -> dict[str, Any]:
    origin, destination = request.param
    found: dict[str, Any] = honest.search(
        originLocationCode=origin, destinationLocationCode=destination
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
    known = answer["dictionaries"]
    assert set(known["locations"]) == {end["iataCode"] for end in ends}
    assert set(known["aircraft"]) == {segment["aircraft"]["code"] for segment in segments}
    assert set(known["carriers"]) == {
        code for s in segments for code in (s["carrierCode"], s["operating"]["carrierCode"])
    }
    assert known["currencies"] == {"EUR": "EURO"}


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
    zone = ZoneInfo(AIRPORTS[end["iataCode"]]["tz"])
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
    answer = honest.search(originLocationCode=city, destinationLocationCode="MAD").json()
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
        assert found >= set(known["airports"]) | ({city} & AIRPORTS.keys())


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
