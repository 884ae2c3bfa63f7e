"""POST searches: filters, and errors in the body."""

from typing import Any

import pytest

from tests.support.clients.sandbox_client import AHEAD, InProcess, body, length, price, refusals

DIRECTION = "/originDestinations/0"
FILTERS = "/searchCriteria/flightFilters"


def filtered(**filters: object) -> dict[str, Any]:
    return body(searchCriteria={"flightFilters": filters})


def direction(**changes: object) -> dict[str, Any]:
    wanted = body()
    wanted["originDestinations"][0] |= changes
    return wanted


def leaving(**when: str) -> dict[str, Any]:
    return direction(departureDateTimeRange={"date": AHEAD} | when)


def travelers(*people: tuple[str, str, str | None]) -> dict[str, Any]:
    return body(
        travelers=[
            {"id": id_, "travelerType": kind} | ({"associatedAdultId": adult} if adult else {})
            for id_, kind, adult in people
        ]
    )


@pytest.mark.parametrize(
    ("wrong", "code", "pointer"),
    [
        ("", 477, ""),
        ("[]", 477, ""),
        (body(originDestinations=[]), 32171, "/originDestinations"),
        (body(originDestinations=body()["originDestinations"] * 7), 10661, "/originDestinations"),
        (body(originDestinations=body()["originDestinations"] * 2), 2668, "/originDestinations"),
        (body(travelers=[]), 32171, "/travelers"),
        (body(sources=["NDC"]), 477, "/sources/0"),
        (body(currencyCode="QQQ"), 4926, "/currencyCode"),
        (direction(originLocationCode="jfk"), 477, f"{DIRECTION}/originLocationCode"),
        (direction(originLocationCode="QQQ"), 4926, f"{DIRECTION}/originLocationCode"),
        (direction(destinationLocationCode="JFK"), 2668, DIRECTION),
        (
            direction(alternativeOriginsCodes=["QQQ"]),
            4926,
            f"{DIRECTION}/alternativeOriginsCodes",
        ),
        (
            direction(departureDateTimeRange={}),
            32171,
            f"{DIRECTION}/departureDateTimeRange/date",
        ),
        (
            direction(departureDateTimeRange={"date": "2020-01-01"}),
            425,
            f"{DIRECTION}/departureDateTimeRange/date",
        ),
        (
            direction(departureDateTimeRange={"date": AHEAD, "dateWindow": "I9D"}),
            477,
            f"{DIRECTION}/departureDateTimeRange/dateWindow",
        ),
        (
            body(("JFK", "LAX", "2026-12-10"), ("LAX", "JFK", "2026-12-01")),
            425,
            "/originDestinations",
        ),
        (travelers(("1", "DOG", None)), 477, "/travelers/0/travelerType"),
        (travelers(("1", "ADULT", None), ("1", "ADULT", None)), 2668, "/travelers"),
        (travelers(*((str(n), "ADULT", None) for n in range(10))), 10661, "/travelers"),
        (
            travelers(("1", "ADULT", None), ("2", "HELD_INFANT", None)),
            32171,
            "/travelers/1/associatedAdultId",
        ),
        (
            travelers(("1", "ADULT", None), ("2", "HELD_INFANT", "9")),
            4926,
            "/travelers/1/associatedAdultId",
        ),
        (body(searchCriteria={"maxFlightOffers": 251}), 477, "/searchCriteria/maxFlightOffers"),
        (body(searchCriteria={"maxFlightOffers": 2.5}), 477, "/searchCriteria/maxFlightOffers"),
        (body(searchCriteria={"maxFlightOffers": "2"}), 477, "/searchCriteria/maxFlightOffers"),
        (
            filtered(carrierRestrictions={"includedCarrierCodes": []}),
            477,
            f"{FILTERS}/carrierRestrictions/includedCarrierCodes",
        ),
        (filtered(maxFlightTime=99), 477, f"{FILTERS}/maxFlightTime"),
        (
            direction(arrivalDateTimeRange={"date": "2020-01-01"}),
            425,
            f"{DIRECTION}/arrivalDateTimeRange/date",
        ),
        (body(searchCriteria={"maxPrice": 0}), 477, "/searchCriteria/maxPrice"),
        (
            filtered(
                carrierRestrictions={
                    "includedCarrierCodes": ["AC"],
                    "excludedCarrierCodes": ["UA"],
                }
            ),
            2668,
            f"{FILTERS}/carrierRestrictions",
        ),
        (
            filtered(cabinRestrictions=[{"cabin": "FIRST", "originDestinationIds": ["9"]}]),
            4926,
            f"{FILTERS}/cabinRestrictions/0",
        ),
        (
            filtered(connectionRestriction={"maxNumberOfConnections": 3}),
            477,
            f"{FILTERS}/connectionRestriction/maxNumberOfConnections",
        ),
    ],
)
def test_invalid_body_is_refused(
    honest: InProcess, wrong: dict[str, Any] | str, code: int, pointer: str
) -> None:
    answer = honest.post(wrong)
    assert answer.status_code == 400
    assert refusals(answer) == [(code, pointer)]


@pytest.mark.parametrize("radius", ["originRadius", "destinationRadius"])
@pytest.mark.parametrize("end", ["departureDateTimeRange", "arrivalDateTimeRange"])
@pytest.mark.parametrize("window", [{"dateWindow": "I1D"}, {"time": "12:00", "timeWindow": "2H"}])
def test_radius_cannot_be_combined_with_a_date_window(
    honest: InProcess, radius: str, end: str, window: dict[str, str]
) -> None:
    wanted = direction(**{end: {"date": AHEAD} | window, radius: 50})
    assert refusals(honest.post(wanted)) == [(2668, f"{DIRECTION}/{radius}")]


def test_empty_body_is_refused_with_every_mandatory_field(honest: InProcess) -> None:
    missing = [(32171, f"/{name}") for name in ("originDestinations", "travelers", "sources")]
    assert refusals(honest.post({})) == missing


def test_two_infants_cannot_share_an_adult(honest: InProcess) -> None:
    people = [("1", "ADULT", None), ("2", "HELD_INFANT", "1"), ("3", "HELD_INFANT", "1")]
    assert {code for code, _ in refusals(honest.post(travelers(*people)))} == {2668}


def test_post_search_finds_the_offers_of_the_same_get(honest: InProcess) -> None:
    assert honest.post(body()).json()["data"] == honest.offers()


def test_method_override_of_a_post_must_be_get(honest: InProcess) -> None:
    override = {"X-HTTP-Method-Override": "GET"}
    assert honest.post(body(), **override).status_code == 200
    refused = honest.post(body(), **{"X-HTTP-Method-Override": "DELETE"})
    assert refusals(refused) == [(477, "X-HTTP-Method-Override")]


def test_several_directions_make_one_offer_in_order(honest: InProcess) -> None:
    legs = [("NYC", "MAD", AHEAD), ("MAD", "ROM", "2026-12-15"), ("ROM", "NYC", "2026-12-20")]
    for offer in honest.post(body(*legs)).json()["data"]:
        ends = [
            (one["segments"][0]["departure"]["iataCode"], one["segments"][0]["departure"]["at"])
            for one in offer["itineraries"]
        ]
        assert [at[:10] for _, at in ends] == [AHEAD, "2026-12-15", "2026-12-20"]
        assert ends[1][0] == "MAD"


@pytest.mark.parametrize(
    ("window", "dates"),
    [
        ("I1D", {"2026-12-09", "2026-12-10", "2026-12-11"}),
        ("P2D", {"2026-12-10", "2026-12-11", "2026-12-12"}),
        ("M1D", {"2026-12-09", "2026-12-10"}),
    ],
)
def test_date_window_searches_adjacent_days_too(
    honest: InProcess, window: str, dates: set[str]
) -> None:
    wanted = direction(departureDateTimeRange={"date": AHEAD, "dateWindow": window})
    assert {at[:10] for at in departures(honest.post(wanted).json()["data"])} == dates


@pytest.mark.parametrize(("date", "window"), [("2026-11-21", "M3D"), ("2027-11-22", "P3D")])
def test_date_window_ends_at_the_last_bookable_day(
    honest: InProcess, date: str, window: str
) -> None:
    found = honest.post(leaving(date=date, dateWindow=window)).json()["data"]
    assert {at[:10] for at in departures(found)} == {date}


def per_day(wanted: dict[str, Any], most: int, **criteria: object) -> dict[str, Any]:
    limits = {"maxFlightOffers": most, "oneFlightOfferPerDay": True}
    return wanted | {"searchCriteria": limits | criteria}


def dates(offers: list[dict[str, Any]], way: int = 0) -> set[str]:
    """The days of departure in one direction."""
    segments = [offer["itineraries"][way]["segments"] for offer in offers]
    return {one[0]["departure"]["at"][:10] for one in segments}


def test_each_day_of_a_window_has_its_cheapest_offer(honest: InProcess) -> None:
    week = leaving(date=AHEAD, dateWindow="I3D")
    usual = honest.post(week | {"searchCriteria": {"maxFlightOffers": 10}}).json()["data"]
    found = honest.post(per_day(week, 10)).json()["data"]
    days = {f"2026-12-{day:02d}" for day in range(7, 14)}
    assert dates(usual) < dates(found) == days
    cheapest = {price(honest.offers(departureDate=day, max=1)[0]) for day in days}
    assert cheapest < {price(offer) for offer in found}
    assert len(found) == 10
    assert price(found[0]) == price(usual[0])
    assert list(map(price, found)) == sorted(map(price, found))


def test_fewer_offers_than_days_are_the_cheapest_days(honest: InProcess) -> None:
    week = leaving(date=AHEAD, dateWindow="I3D")
    every = honest.post(per_day(week, 7)).json()["data"]
    some = honest.post(per_day(week, 3)).json()["data"]
    assert len(dates(every)) == 7
    assert list(map(price, some)) == list(map(price, every))[:3]


def test_each_day_of_a_return_in_a_window_has_an_offer(honest: InProcess) -> None:
    both = body(("JFK", "LAX", AHEAD), ("LAX", "JFK", "2026-12-13"))
    for one in both["originDestinations"]:
        one["departureDateTimeRange"]["dateWindow"] = "I3D"
    found = honest.post(per_day(both, 20)).json()["data"]
    assert dates(found) == {f"2026-12-{day:02d}" for day in range(7, 14)}
    assert dates(found, way=1) == {f"2026-12-{day}" for day in range(10, 17)}
    assert len(set(map(sold, found))) == len(found) == 20


def test_one_offer_per_day_obeys_the_other_filters(honest: InProcess) -> None:
    week = leaving(date=AHEAD, dateWindow="I3D")
    direct = {"connectionRestriction": {"maxNumberOfConnections": 0}}
    found = honest.post(per_day(week, 7, flightFilters=direct)).json()["data"]
    assert len(dates(found)) == 7
    assert not any(map(changes, found))


def test_one_offer_per_day_changes_nothing_without_a_window(honest: InProcess) -> None:
    assert honest.post(per_day(body(), 250)).json()["data"] == honest.offers()


def test_time_window_limits_the_departure(honest: InProcess) -> None:
    when = {"date": AHEAD, "time": "12:00:00", "timeWindow": "2H"}
    found = departures(honest.post(direction(departureDateTimeRange=when)).json()["data"])
    assert found
    assert all("10:00" <= at[11:16] <= "14:00" for at in found)


@pytest.mark.parametrize(
    ("arrival", "first", "last"),
    [
        ({"date": "2026-12-11"}, "2026-12-11T00:00", "2026-12-11T23:59"),
        ({"date": AHEAD, "dateWindow": "P1D"}, f"{AHEAD}T00:00", "2026-12-11T23:59"),
        (
            {"date": AHEAD, "time": "13:00", "timeWindow": "3H"},
            f"{AHEAD}T10:00",
            f"{AHEAD}T16:00",
        ),
    ],
)
def test_time_window_limits_the_arrival(
    honest: InProcess, arrival: dict[str, str], first: str, last: str
) -> None:
    every = arrivals(honest.offers())
    found = arrivals(honest.post(direction(arrivalDateTimeRange=arrival)).json()["data"])
    assert found
    assert found == [at for at in every if first <= at[:16] <= last]


def test_maximum_flight_time_is_respected(honest: InProcess) -> None:
    every = honest.offers()
    shortest = min(map(minutes, every))
    found = honest.post(filtered(maxFlightTime=150)).json()["data"]
    assert 0 < len(found) < len(every)
    assert max(map(minutes, found)) <= 1.5 * shortest


def test_return_can_end_at_the_first_origin(honest: InProcess) -> None:
    legs = [("NYC", "LON", AHEAD), ("LON", "NYC", "2026-12-20")]
    assert any(begin != end for begin, end in map(ends, honest.post(body(*legs)).json()["data"]))
    back = body(*legs, searchCriteria={"flightFilters": {"returnToDepartureAirport": True}})
    found = list(map(ends, honest.post(back).json()["data"]))
    assert len({begin for begin, _ in found}) > 1
    assert all(begin == end for begin, end in found)


def test_alternative_origins_and_radius_widen_the_search(honest: InProcess) -> None:
    alternative = honest.post(direction(alternativeOriginsCodes=["BOS"])).json()
    assert {"JFK", "BOS"} <= origins(alternative["data"])
    near = honest.post(direction(originLocationCode="OAK", originRadius=50)).json()
    assert "SFO" in origins(near["data"])


def test_connection_points_can_be_included_or_excluded(honest: InProcess) -> None:
    wanted = honest.post(direction(includedConnectionPoints=["DEN"])).json()["data"]
    assert wanted
    assert all("DEN" in changes(offer) for offer in wanted)
    shunned = honest.post(direction(excludedConnectionPoints=["DEN"])).json()["data"]
    assert shunned
    assert not any("DEN" in changes(offer) for offer in shunned)


def test_cabin_can_be_limited_to_one_direction(honest: InProcess) -> None:
    restriction = {"cabin": "BUSINESS", "originDestinationIds": ["1"]}
    offers = honest.post(filtered(cabinRestrictions=[restriction])).json()["data"]
    details = [one["travelerPricings"][0]["fareDetailsBySegment"] for one in offers]
    assert offers
    assert {detail["cabin"] for one in details for detail in one} <= {"BUSINESS", "FIRST"}


@pytest.mark.parametrize("most", [0, 0.0])
def test_connections_can_be_ruled_out(honest: InProcess, most: float) -> None:
    restriction = {"maxNumberOfConnections": most}
    offers = honest.post(filtered(connectionRestriction=restriction)).json()["data"]
    assert offers == honest.offers(nonStop="true")


def test_technical_stops_can_be_ruled_out(honest: InProcess) -> None:
    route = ("CDG", "GRU", AHEAD)

    def stops(**restriction: object) -> set[int]:
        wanted = body(route, **filtered(connectionRestriction=restriction))
        found = honest.post(body(route) | {"searchCriteria": wanted["searchCriteria"]})
        segments = [one["itineraries"][0]["segments"] for one in found.json()["data"]]
        return {part["numberOfStops"] for one in segments for part in one}

    assert stops() == stops(technicalStopsAllowed=True) == {0, 1}
    assert stops(technicalStopsAllowed=False) == {0}


def test_carriers_can_be_chosen(honest: InProcess) -> None:
    chosen = filtered(carrierRestrictions={"includedCarrierCodes": ["6X"]})
    assert honest.post(chosen).json()["data"] == honest.offers(includedAirlineCodes="6X")


@pytest.mark.parametrize(
    ("option", "fares"),
    [
        ("includedCheckedBagsOnly", {"CLASSIC", "FLEX", "COMFORT", "BUSINESS", "FIRST"}),
        ("refundableFare", {"FLEX", "BUSINESS", "FIRST"}),
        ("noRestrictionFare", {"FLEX", "BUSINESS", "FIRST"}),
        ("noPenaltyFare", {"FLEX", "BUSINESS", "FIRST"}),
    ],
)
def test_kinds_of_fare_can_be_chosen(honest: InProcess, option: str, fares: set[str]) -> None:
    wanted = body(searchCriteria={"pricingOptions": {option: True}})
    details = [
        one["travelerPricings"][0]["fareDetailsBySegment"][0]
        for one in honest.post(wanted).json()["data"]
    ]
    assert {detail["brandedFare"] for detail in details} == fares


def test_fares_with_a_checked_bag_include_light_ones_of_some_airlines(honest: InProcess) -> None:
    bags_only = {"searchCriteria": {"pricingOptions": {"includedCheckedBagsOnly": True}}}
    found = honest.post(body(("CDG", "SIN", AHEAD)) | bags_only).json()["data"]
    details = [one["travelerPricings"][0]["fareDetailsBySegment"][0] for one in found]
    assert all(detail["includedCheckedBags"] != {"quantity": 0} for detail in details)
    light = [one for one in details if one["brandedFare"] == "LIGHT"]
    assert {"weight": 25, "weightUnit": "KG"} in [one["includedCheckedBags"] for one in light]


def test_number_and_price_of_offers_can_be_limited(honest: InProcess) -> None:
    limit = int(price(honest.offers()[4])) + 1
    criteria = {"maxPrice": limit, "maxFlightOffers": 3.0}
    found = honest.post(body(searchCriteria=criteria)).json()["data"]
    assert found == honest.offers(max=3)
    cheap = honest.post(body(searchCriteria={"maxPrice": limit})).json()["data"]
    assert cheap == honest.offers(maxPrice=limit)
    assert 5 <= len(cheap) < len(honest.offers())


def test_traveler_types_have_their_own_prices(honest: InProcess) -> None:
    types = ["ADULT", "SENIOR", "YOUNG", "STUDENT", "CHILD", "SEATED_INFANT"]
    people = [(str(n), kind, None) for n, kind in enumerate(types)]
    offer = honest.post(travelers(*people, ("9", "HELD_INFANT", "0"))).json()["data"][0]
    totals = {one["travelerType"]: one["price"]["total"] for one in offer["travelerPricings"]}
    assert list(totals) == [*types, "HELD_INFANT"]
    assert max(totals, key=lambda kind: float(totals[kind])) == "ADULT"
    assert offer["travelerPricings"][-1]["associatedAdultId"] == "0"


def sold(offer: dict[str, Any]) -> tuple[str, ...]:
    """What an offer is for: its fare and its departures."""
    segments = [one for itinerary in offer["itineraries"] for one in itinerary["segments"]]
    fare = offer["travelerPricings"][0]["fareDetailsBySegment"][0]["brandedFare"]
    return fare, *(one["carrierCode"] + one["number"] + one["departure"]["at"] for one in segments)


def departures(offers: list[dict[str, Any]]) -> list[str]:
    return [one["itineraries"][0]["segments"][0]["departure"]["at"] for one in offers]


def arrivals(offers: list[dict[str, Any]]) -> list[str]:
    return [one["itineraries"][0]["segments"][-1]["arrival"]["at"] for one in offers]


def ends(offer: dict[str, Any]) -> tuple[str, str]:
    """The first and last airport of a journey."""
    first, last = (offer["itineraries"][n]["segments"][n] for n in (0, -1))
    return first["departure"]["iataCode"], last["arrival"]["iataCode"]


def minutes(offer: dict[str, Any]) -> float:
    return length(offer["itineraries"][0]["duration"]).total_seconds() / 60


def origins(offers: list[dict[str, Any]]) -> set[str]:
    return {one["itineraries"][0]["segments"][0]["departure"]["iataCode"] for one in offers}


def changes(offer: dict[str, Any]) -> list[str]:
    return [one["departure"]["iataCode"] for one in offer["itineraries"][0]["segments"][1:]]
