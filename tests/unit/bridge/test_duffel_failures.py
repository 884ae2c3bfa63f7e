"""What Duffel's failures become. Its own words and the access token reach nobody."""

import pytest

from bridge.duffel import Duffel
from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import AHEAD, body, refusals
from tests.support.providers.duffel import errors, offer


@pytest.mark.parametrize("leg", ["search", "list"])
@pytest.mark.parametrize(
    ("status", "kind", "answer", "code"),
    [
        (401, "authentication_error", 401, 39686),
        (403, "authentication_error", 401, 39686),
        (402, "invalid_request_error", 429, 38195),
        (429, "rate_limit_error", 429, 38194),
        (404, "invalid_request_error", 500, 141),
        (406, "invalid_request_error", 500, 141),
        (500, "api_error", 500, 141),
        (502, "airline_error", 500, 141),
        (200, "authentication_error", 401, 39686),
        (200, "airline_error", 500, 141),
    ],
)
def test_error_of_duffel_becomes_the_one_with_the_same_meaning(
    leg: str, status: int, kind: str, answer: int, code: int
) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail(leg, status, errors(status, kind))
    refused = bridge.search()
    assert (refused.status_code, refusals(refused)) == (answer, [(code, "")])
    assert "Duffel" not in refused.text


@pytest.mark.parametrize("status", [400, 422])
def test_refused_search_is_rejected_also_if_duffel_blames_no_part_of_it(status: int) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("search", status, errors(status, "validation_error"))
    refused = bridge.search()
    assert (refused.status_code, refusals(refused)) == (400, [(477, "")])
    assert "Duffel" not in refused.text


@pytest.mark.parametrize("status", [400, 404, 422])
def test_refused_list_is_a_system_error_and_the_next_search_is_new(status: int) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("list", status, errors(status, "invalid_request_error"))
    assert refusals(bridge.search()) == [(141, "")]
    assert len(bridge.offers()) == 1
    assert len(bridge.duffel.searches) == 2


@pytest.mark.parametrize("status", [403, 500])
def test_error_may_be_a_web_page(status: int) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("search", status, "<html>Words of a proxy</html>")
    refused = bridge.search()
    assert refusals(refused) == [(39686 if status == 403 else 141, "")]


@pytest.mark.parametrize(
    ("field", "number", "code", "parameter", "pointer"),
    [
        ("origin", 0, 4926, "originLocationCode", "/originDestinations/0/originLocationCode"),
        ("origin", 1, 4926, "destinationLocationCode", "/originDestinations/1/originLocationCode"),
        (
            "destination",
            0,
            4926,
            "destinationLocationCode",
            "/originDestinations/0/destinationLocationCode",
        ),
        (
            "departure_date",
            1,
            425,
            "returnDate",
            "/originDestinations/1/departureDateTimeRange/date",
        ),
    ],
)
def test_place_or_date_that_duffel_refuses_is_named(
    field: str, number: int, code: int, parameter: str, pointer: str
) -> None:
    bridge = Bridge(offer())
    refused = errors(422, "validation_error", field=field, pointer=f"/slices/{number}/{field}")
    for _ in range(2):
        bridge.duffel.fail("search", 422, refused)
    assert refusals(bridge.search(returnDate="2026-12-17")) == [(code, parameter)]
    posted = body(("JFK", "LAX", AHEAD), ("LAX", "JFK", "2026-12-17"))
    assert refusals(bridge.post(posted)) == [(code, pointer)]


def test_retry_after_is_the_rest_of_the_window_by_the_clock_of_duffel() -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail(
        "search",
        429,
        errors(429, "rate_limit_error"),
        date="Sat, 28 Nov 2026 10:00:10 GMT",
        ratelimit_reset="Sat, 28 Nov 2026 10:00:47 GMT",
    )
    assert bridge.search().headers["Retry-After"] == "37"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "30"}, "30"),
        ({"Retry_After": "30", "ratelimit_reset": "soon"}, "30"),
        ({"Retry_After": "100000"}, "3600"),
        ({"ratelimit_reset": "Mon, 30 Nov 9000 12:01:00 GMT"}, "3600"),
        ({"ratelimit_reset": "Mon, 30 Nov 99999999999 12:01:00 GMT"}, None),
    ],
)
def test_retry_after_is_at_most_an_hour(headers: dict[str, str], seconds: str | None) -> None:
    bridge = Bridge(offer())
    date = "Sat, 28 Nov 2026 10:00:10 GMT"
    bridge.duffel.fail("search", 429, errors(429, "rate_limit_error"), date=date, **headers)
    refused = bridge.search()
    assert refusals(refused) == [(38194, "")]
    assert refused.headers.get("Retry-After") == seconds


@pytest.mark.parametrize(
    ("status", "kind", "reset"),
    [
        (429, "rate_limit_error", "soon"),
        (402, "invalid_request_error", "Sat, 28 Nov 2026 10:00:47 GMT"),  # of the rate limit
    ],
)
def test_retry_after_is_left_out_if_duffel_does_not_say_when(
    status: int, kind: str, reset: str
) -> None:
    bridge = Bridge(offer())
    date = "Sat, 28 Nov 2026 10:00:10 GMT"
    bridge.duffel.fail("search", status, errors(status, kind), date=date, ratelimit_reset=reset)
    assert "Retry-After" not in bridge.search().headers


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize("leg", ["search", "list"])
def test_same_search_is_not_sent_again_for_ten_seconds_after_a_broken_one(
    leg: str, status: int
) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail(leg, status, errors(status, "api_error"))
    calls = 1 if leg == "search" else 2
    for _ in range(3):
        assert refusals(bridge.search()) == [(141, "")]
    assert len(bridge.duffel.searches) + len(bridge.duffel.lists) == calls
    assert len(bridge.offers(departureDate="2026-12-11")) == 1
    bridge.clock.now += 10.1
    assert len(bridge.offers()) == 1


@pytest.mark.parametrize("status", [503, 504])
def test_failed_list_is_repeated_alone(status: int) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("list", status, errors(status, "api_error"))
    assert len(bridge.offers()) == 1
    assert len(bridge.duffel.searches) == 1
    assert len(bridge.duffel.lists) == 2


def test_list_can_be_asked_after_a_rate_limit_without_another_billed_search() -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("list", 429, errors(429, "rate_limit_error"), retry_after="60")
    refused = bridge.search()
    bridge.clock.now += int(refused.headers["Retry-After"]) + 30
    assert len(bridge.offers()) == 1
    assert len(bridge.duffel.searches) == 1


def test_answered_search_is_searched_anew() -> None:
    bridge = Bridge(offer())
    bridge.offers()
    bridge.offers()
    assert len(bridge.duffel.searches) == 2


@pytest.mark.parametrize(
    "body_",
    ["<html>", "[]", '{"data": null}', '{"data": {}}', '{"data": {"id": NaN}}', "[" * 100_000],
)
@pytest.mark.parametrize("leg", ["search", "list"])
def test_answer_that_cannot_be_read_is_a_system_error(leg: str, body_: str) -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail(leg, 200, body_)
    assert refusals(bridge.search()) == [(141, "")]


def test_search_whose_answer_cannot_be_read_is_not_sent_again_for_ten_seconds() -> None:
    bridge = Bridge(offer())
    bridge.duffel.fail("search", 200, "<html>")
    for _ in range(2):
        assert refusals(bridge.search()) == [(141, "")]
    assert len(bridge.duffel.searches) == 1
    bridge.clock.now += 10.1
    assert len(bridge.offers()) == 1


def test_list_without_any_readable_offer_is_a_system_error() -> None:
    assert refusals(Bridge({"id": "off_1"}).search()) == [(141, "")]


def test_wrong_token_is_refused_without_words_of_duffel() -> None:
    bridge = Bridge(offer(), token="duffel_live_wrong")
    refused = bridge.search()
    assert (refused.status_code, refusals(refused)) == (401, [(39686, "")])
    assert "duffel_live_wrong" not in refused.text


@pytest.mark.parametrize("token", ["", "sk_live_1", "duffel_test_a b", "duffel_live_a\r\nX: y"])
def test_malformed_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match=r"^An access token of Duffel begins with") as refused:
        Duffel(token, Bridge().duffel.connections)
    assert not token or token not in str(refused.value)
