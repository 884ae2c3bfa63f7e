"""GET parameters are validated as specified; errors name the code and the parameter."""

import pytest

from tests.support.clients.sandbox_client import InProcess, refusals


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("originLocationCode", "jfk", 477),
        ("originLocationCode", "JFKX", 477),
        ("originLocationCode", "", 477),
        ("originLocationCode", "QQQ", 4926),
        ("destinationLocationCode", "J1K", 477),
        ("destinationLocationCode", "QQQ", 4926),
        ("destinationLocationCode", "JFK", 2668),
        ("departureDate", "10-12-2026", 477),
        ("departureDate", "2026-12-10T10:00", 477),
        ("departureDate", "2026-02-30", 425),
        ("departureDate", "2026-11-19", 425),
        ("departureDate", "2027-11-24", 425),
        ("returnDate", "tomorrow", 477),
        ("returnDate", "2026-12-09", 425),
        ("returnDate", "2028-01-01", 425),
        ("adults", "0", 477),
        ("adults", "10", 477),
        ("adults", "1.5", 477),
        ("adults", "-1", 477),
        ("adults", "", 477),
        ("children", "x", 477),
        ("children", "9", 10661),
        ("infants", "2", 2668),
        ("infants", "10", 477),
        ("travelClass", "economy", 477),
        ("travelClass", "LUXURY", 477),
        ("includedAirlineCodes", "AFX", 477),
        ("includedAirlineCodes", "AF,,KL", 477),
        ("includedAirlineCodes", ",".join(["AF"] * 100), 10661),
        ("excludedAirlineCodes", "af", 477),
        ("nonStop", "yes", 477),
        ("nonStop", "True", 477),
        ("currencyCode", "eur", 477),
        ("currencyCode", "QQQ", 4926),
        ("maxPrice", "0", 477),
        ("maxPrice", "10.5", 477),
        ("max", "0", 477),
        ("max", "many", 477),
    ],
)
def test_invalid_parameter_is_refused(honest: InProcess, name: str, value: str, code: int) -> None:
    answer = honest.search(**{name: value})
    assert answer.status_code == 400
    assert refusals(answer) == [(code, name)]


@pytest.mark.parametrize(
    "name", ["originLocationCode", "destinationLocationCode", "departureDate", "adults"]
)
def test_missing_parameter_is_refused(honest: InProcess, name: str) -> None:
    assert refusals(honest.search(**{name: None})) == [(32171, name)]


@pytest.mark.parametrize("name", ["departureDate", "max", "includedAirlineCodes"])
def test_repeated_parameter_is_refused(honest: InProcess, name: str) -> None:
    query = (
        "originLocationCode=JFK&destinationLocationCode=LAX&departureDate=2026-12-10&adults=1"
        f"&{name}=1&{name}=2"
    )
    assert refusals(honest.get(query)) == [(10661, name)]


def test_airlines_cannot_be_both_included_and_excluded(honest: InProcess) -> None:
    answer = honest.search(includedAirlineCodes="AC", excludedAirlineCodes="UA")
    assert refusals(answer) == [(2668, "excludedAirlineCodes")]


def test_parameter_errors_are_all_named_at_once(honest: InProcess) -> None:
    answer = honest.search(adults="x", max="0", departureDate="never")
    assert refusals(answer) == [(477, "departureDate"), (477, "adults"), (477, "max")]


def test_unknown_parameter_changes_nothing(honest: InProcess) -> None:
    assert honest.offers(colour="blue") == honest.offers()


@pytest.mark.parametrize("date", ["2026-11-21", "2027-11-21"])
def test_dates_from_today_to_one_year_ahead_can_be_searched(honest: InProcess, date: str) -> None:
    assert honest.offers(departureDate=date, max=1)


@pytest.mark.parametrize("name", ["maxPrice", "max"])
def test_maximum_parameters_may_be_arbitrarily_large(honest: InProcess, name: str) -> None:
    assert honest.offers(**{name: 2**63}) == honest.offers()


def test_offers_are_limited_to_250(honest: InProcess) -> None:
    assert len(honest.offers(originLocationCode="NYC", destinationLocationCode="LON")) == 250
    assert honest.search(max=1000).status_code == 200
