"""GET /flights/price: its body, its headers and its errors."""

import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from api.services.amadeus import replies
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

_days = count(10)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture
def service(running: LocalService) -> LocalService:
    """The service, with faults removed and counters reset."""
    running.clear()
    return running


class Clock:
    """A clock that a test can advance."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def test_price_body_has_exactly_four_fields_in_order(service: LocalService, day: str) -> None:
    answer = service.price(date=day)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch(
        r'\{"data": \{"origin": "JFK", "destination": "LAX", "departure_date": "' + day + '",'
        r' "price": "\d+(\.\d\d)? EUR"\}\}\n',
        answer.text,
    )


def test_first_response_is_a_miss_with_its_lifetime(service: LocalService, day: str) -> None:
    headers = service.price(date=day).headers

    assert headers["X-Cache"] == "miss"
    assert headers["Cache-Status"] == "flight-price-api; fwd=miss; stored"
    assert headers["Age"] == "0"
    assert headers["Cache-Control"] == "max-age=600"
    assert headers["X-Amadeus-Environment"] == "sandbox"
    assert re.fullmatch('"[0-9a-f]+"', headers["ETag"])


def test_second_response_is_a_hit_with_the_same_body(service: LocalService, day: str) -> None:
    first, second = service.price(date=day), service.price(date=day)

    assert (second.headers["X-Cache"], second.content) == ("hit", first.content)
    assert re.fullmatch(r"flight-price-api; hit; ttl=59\d", second.headers["Cache-Status"])
    assert service.searches() == 1


@pytest.mark.parametrize("value", ["1", "true", "TRUE"])
def test_nocache_accepts_several_spellings_of_true(
    service: LocalService, day: str, value: str
) -> None:
    assert service.price(date=day, nocache=value).headers["X-Cache"] == "bypass"


@pytest.mark.parametrize("value", ["0", "false"])
def test_nocache_accepts_false(service: LocalService, day: str, value: str) -> None:
    service.price(date=day)

    assert service.price(date=day, nocache=value).headers["X-Cache"] == "hit"


def test_lower_and_upper_case_share_an_entry_with_an_upper_case_answer(
    service: LocalService, day: str
) -> None:
    upper = service.price(date=day)
    lower = service.price(date=day, origin="jfk", destination="lax")

    assert (lower.headers["X-Cache"], lower.content) == ("hit", upper.content)


@pytest.mark.parametrize(
    "option",
    [
        {"adults": "2"},
        {"children": "1"},
        {"infants": "1"},
        {"currency": "USD"},
        {"cabin": "business"},
        {"nonstop": "1"},
        {"return_date": some_day(200)},
        {"origin": "LON"},
        {"destination": "PAR"},
        {"date": some_day(201)},
    ],
    ids=lambda option: next(iter(option)),
)
def test_different_options_have_different_entries(
    service: LocalService, day: str, option: dict[str, str]
) -> None:
    service.price(date=day)

    answer = service.price("GET", None, **{"date": day, **option})

    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "miss")
    assert service.searches() == 2


def test_requested_currency_is_the_currency_of_the_price(service: LocalService, day: str) -> None:
    assert service.price(date=day, currency="usd").json["data"]["price"].endswith(" USD")


def test_matching_etag_gets_304(service: LocalService, day: str) -> None:
    etag = service.price(date=day).headers["ETag"]

    same = service.price(headers={"If-None-Match": etag}, date=day)
    other = service.price(headers={"If-None-Match": '"x"'}, date=day)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["ETag"] == etag
    assert same.headers["Cache-Control"] == "max-age=600"
    assert other.status_code == 200


def test_empty_result_is_a_404_with_cache_headers(service: LocalService, day: str) -> None:
    service.fault("search", "empty_list")

    first, second = service.price(date=day), service.price(date=day)

    assert (first.status_code, first.json["code"]) == (404, "no-offers")
    assert first.json["detail"] == f"No flight offers from JFK to LAX on {day}."
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert first.headers["Cache-Control"] == second.headers["Cache-Control"] == "max-age=60"
    assert service.searches() == 1


def test_invalid_input_is_answered_with_every_error_at_once(service: LocalService) -> None:
    answer = service.get("/flights/price", origin="J", date="soon", adults="0", nochache="1")

    problem = answer.json
    assert (answer.status_code, problem["code"]) == (400, "invalid-request")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {fault["parameter"] for fault in problem["errors"]} == {
        "origin", "destination", "date", "adults", "nochache",
    }  # fmt: skip
    assert all(fault["detail"] in problem["detail"] for fault in problem["errors"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("origin=JFK&destination=LAX", "date"),
        ("origin=JFK&destination=&date=2026-12-01", "destination"),
        ("origin=JFK&origin=JFK&destination=LAX&date=2026-12-01", "origin"),
        ("origin=JFK&destination=LAX&date=2026-12-01&currency=", "currency"),
        ("origin=JFK&destination=%00%ff%fe&date=2026-12-01", "destination"),
        ("origin=JFK&destination=LAX&date=2026-12-01&%00=1", "\x00"),
        ("origin=JFK,LON&destination=LAX&date=2026-12-01", "origin"),
        ("Origin=JFK&origin=JFK&destination=LAX&date=2026-12-01", "Origin"),
    ],
    ids=["missing", "empty", "repeated", "empty option", "binary", "unknown", "list", "case"],
)
def test_malformed_query_is_a_400_that_names_the_error(
    service: LocalService, query: str, parameter: str
) -> None:
    problem = service.client.simulate_get("/flights/price", query_string=query).json

    assert problem["status"] == 400
    assert parameter in {fault["parameter"] for fault in problem["errors"]}


@pytest.mark.parametrize("path", ["/flights/price", "/flights/offer", "/flights/calendar"])
def test_url_cut_off_by_the_shell_is_recognised(service: LocalService, path: str) -> None:
    assert (
        f"Quote the URL in a shell, because & ends the command: curl 'http://…{path}?"
        in (service.get(path, origin="JFK").json["detail"])
    )


def test_valid_request_id_is_echoed_and_an_invalid_one_replaced(service: LocalService) -> None:
    def id_of(given: str) -> str:
        answer = service.get("/flights/price", {"X-Request-ID": given})
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
        return str(answer.headers["X-Request-ID"])

    assert id_of("order-66_a.b") == "order-66_a.b"
    for insane in ("", "a b", "x" * 65, "a\tb", "<script>", "ä"):
        assert re.fullmatch("[0-9a-f]{32}", id_of(insane))


def test_cache_control_of_a_price_stays_constant_while_its_age_grows(clock: Clock) -> None:
    with LocalService(store=MemoryStore(Metrics(), clock=clock)) as service:
        service.price()
        clock.ahead = 9

        aged = service.price()

    age, left = int(aged.headers["Age"]), int(aged.headers["Cache-Status"].partition("ttl=")[2])
    assert age >= 9
    assert 598 <= age + left <= 600
    assert aged.headers["Cache-Control"] == "max-age=600"


def test_empty_results_and_prices_have_their_own_lifetimes(clock: Clock) -> None:
    lives = {"cache_ttl": 600, "cache_empty_ttl": 1}
    with LocalService(store=MemoryStore(Metrics(), clock=clock), **lives) as service:
        service.fault("search", "empty_list", count=1)
        assert service.price().status_code == service.price().status_code == 404
        clock.ahead = 2

        found = service.price()

    assert found.status_code == 200
    assert found.headers["Cache-Control"] == "max-age=600"


def test_failed_fetch_is_answered_with_the_stale_price_and_marked_as_such(clock: Clock) -> None:
    with LocalService(store=MemoryStore(Metrics(), clock=clock), cache_ttl=1) as service:
        price = service.price()
        service.fault("search", "html", "503")
        clock.ahead = 2

        stale = service.price()
        forced = service.price(nocache="1")

    assert (stale.status_code, stale.content) == (200, price.content)
    assert stale.headers["X-Cache"] == "stale"
    assert int(stale.headers["Age"]) >= 1
    assert stale.headers["Cache-Control"] == "max-age=0"
    assert (forced.status_code, forced.json["code"]) == (503, "amadeus-unavailable")


def test_error_reply_of_amadeus_is_parsed_once(
    service: LocalService, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, parse_error_document = [], replies.parse_error_document

    def noted(status: int, *rest: Any) -> replies.ErrorReply:
        read.append(status)
        return parse_error_document(status, *rest)

    monkeypatch.setattr(replies, "parse_error_document", noted)

    answer = service.price(origin="XXX", date=day)

    assert answer.json["code"] == "rejected-by-amadeus"
    assert read == [400]
