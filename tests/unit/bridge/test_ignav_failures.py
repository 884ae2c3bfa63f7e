"""What Ignav's failures become. Its own words and the key reach nobody."""

import pytest

from bridge.ignav import Ignav
from tests.support.clients.bridge_client import IgnavBridge
from tests.support.clients.sandbox_client import AHEAD, body, refusals
from tests.support.providers.ignav import error, itinerary

BACK = "2026-12-17"


@pytest.mark.parametrize(
    ("status", "kind", "answer", "code"),
    [
        (400, "invalid_request", 400, 477),
        (401, "auth_error", 401, 39686),
        (402, "billing_error", 429, 38195),
        (403, "auth_error", 401, 39686),
        (404, "not_found", 500, 141),
        (424, "upstream_error", 500, 141),
        (429, "invalid_request", 429, 38194),
        (500, "upstream_error", 500, 141),
        (503, "upstream_error", 500, 141),
    ],
)
def test_error_of_ignav_becomes_the_one_with_the_same_meaning(
    status: int, kind: str, answer: int, code: int
) -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", status, error(kind))
    refused = bridge.search()
    assert (refused.status_code, refusals(refused)) == (answer, [(code, "")])
    assert "Ignav" not in refused.text


@pytest.mark.parametrize(("status", "code"), [(401, 39686), (424, 141), (502, 141)])
def test_error_may_be_a_web_page(status: int, code: int) -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", status, "<html>Words of a proxy</html>")
    assert refusals(bridge.search()) == [(code, "")]


@pytest.mark.parametrize(
    ("field", "code", "parameter", "pointer"),
    [
        ("origin", 4926, "originLocationCode", "/originDestinations/0/originLocationCode"),
        (
            "destination",
            4926,
            "destinationLocationCode",
            "/originDestinations/0/destinationLocationCode",
        ),
        (
            "departure_date",
            425,
            "departureDate",
            "/originDestinations/0/departureDateTimeRange/date",
        ),
        ("return_date", 425, "returnDate", "/originDestinations/1/departureDateTimeRange/date"),
        ("market", 4926, "currencyCode", "/currencyCode"),
    ],
)
def test_part_that_ignav_refuses_is_named(
    field: str, code: int, parameter: str, pointer: str
) -> None:
    bridge = IgnavBridge(itinerary())
    for _ in range(2):
        bridge.ignav.fail("search", 400, error(field=field))
    assert refusals(bridge.search(returnDate=BACK)) == [(code, parameter)]
    assert refusals(bridge.post(body(("JFK", "LAX", AHEAD), ("LAX", "JFK", BACK)))) == [
        (code, pointer)
    ]


def test_part_of_a_leg_that_ignav_refuses_is_named() -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", 400, error(field="legs.1.destination"))
    answer = bridge.post(body(("JFK", "LAX", AHEAD), ("LAX", "SFO", BACK)))
    assert refusals(answer) == [(4926, "/originDestinations/1/destinationLocationCode")]


def test_airport_of_a_city_that_ignav_does_not_know_is_left_out() -> None:
    bridge = IgnavBridge(itinerary(), unknown="ORY")
    assert len(bridge.offers(destinationLocationCode="PAR")) == 1
    bridge = IgnavBridge(itinerary(), unknown="ORY CDG")
    refused = bridge.search(destinationLocationCode="PAR")
    assert refusals(refused) == [(4926, "destinationLocationCode")]


@pytest.mark.parametrize("call", [0, 1])
def test_search_fails_if_one_airport_of_a_city_cannot_be_searched(call: int) -> None:
    bridge = IgnavBridge(itinerary())
    if call:
        bridge.ignav.fail("search", 200, {"itineraries": []})
    bridge.ignav.fail("search", 424, error("upstream_error"))
    assert refusals(bridge.search(destinationLocationCode="PAR")) == [(141, "")]


@pytest.mark.parametrize(("seconds", "calls"), [(60, 1), (91, 2)])
def test_repeated_search_asks_again_only_for_the_airports_that_failed(
    seconds: int, calls: int
) -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", 200, {"itineraries": []})
    bridge.ignav.fail("search", 424, error("upstream_error"))
    assert refusals(bridge.search(destinationLocationCode="PAR")) == [(141, "")]
    before = len(bridge.ignav.searches)
    bridge.clock.now += seconds
    assert bridge.search(destinationLocationCode="PAR").status_code == 200
    assert len(bridge.ignav.searches) - before == calls


def test_answered_search_for_a_city_is_searched_anew() -> None:
    bridge = IgnavBridge(itinerary())
    for calls in (2, 4):
        bridge.offers(destinationLocationCode="PAR")
        assert len(bridge.ignav.searches) == calls


def test_retry_after_is_passed_on() -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", 429, error(), retry_after="37")
    assert bridge.search().headers["Retry-After"] == "37"


@pytest.mark.parametrize(
    "body_",
    [
        "<html>", "[]", "{}", '{"itineraries": null}', '{"itineraries": {}}',
        '{"itineraries": [NaN]}', '{"itineraries": [{"price": {}}]}', "[" * 100_000,
    ],
)  # fmt: skip
def test_answer_that_cannot_be_read_is_a_system_error(body_: str) -> None:
    bridge = IgnavBridge(itinerary())
    bridge.ignav.fail("search", 200, body_)
    assert refusals(bridge.search()) == [(141, "")]


def test_round_trips_without_a_way_back_are_a_system_error() -> None:
    assert refusals(IgnavBridge(itinerary()).search(returnDate=BACK)) == [(141, "")]


def test_wrong_key_is_refused_without_words_of_ignav() -> None:
    bridge = IgnavBridge(itinerary(), key="wrong-key")
    refused = bridge.search()
    assert (refused.status_code, refusals(refused)) == (401, [(39686, "")])
    assert "wrong-key" not in refused.text


@pytest.mark.parametrize("key", ["", "two words", "key\r\nX: y", "schlüssel"])
def test_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"^An API key of Ignav has only") as refused:
        Ignav(key, IgnavBridge().ignav.connections)
    assert not key or key not in str(refused.value)
