"""Faults: parsing, targets, counts, and their effect on answers."""

import gzip
import json
import time
from typing import Any

import pytest

from sandbox.faults.fault_book import Fault, FaultBook, Route
from tests.support.clients.sandbox_client import InProcess, price

JFK_LAX = Route("JFK", "LAX", "2026-12-10")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("search:reset", Fault("search", "reset")),
        ("search:hang=5", Fault("search", "hang", "5")),
        ("token:closex2", Fault("token", "close", count=2)),
        ("search:status=429:38195x3", Fault("search", "status", "429:38195", 3)),
        ("search:redirect=http://x/y", Fault("search", "redirect", "http://x/y")),
        ("search:204", Fault("search", "204")),
    ],
)
def test_fault_is_read_from_the_command_line(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("reset", "the form LEG:NAME"),
        ("wing:reset", "leg must be token or search"),
        ("search:explode", "unknown fault"),
        ("search:no_access_token", "unknown fault"),
        ("token:missing_price", "unknown fault"),
        ("search:reset=1", "must not have an argument"),
        ("search:status", "STATUS"),
        ("search:status=abc", "STATUS"),
        ("search:status=99", "STATUS"),
        ("search:errors_null=200", "STATUS"),
        ("search:status=429:²", "STATUS:CODE"),
        ("search:status=429:99999999999999999999999", "STATUS:CODE"),
        ("search:status=429:38194:1:2", "STATUS:CODE:SECONDS"),
        ("search:status=" + "9" * 5000, "STATUS"),
        ("search:redirect=99:/x", "200 to 699"),
        ("search:redirect=100:/x", "200 to 699"),
        ("search:redirect=99999:/x", "200 to 699"),
        ("search:odd_price=\udcff", "printable"),
        ("search:latency", "a number"),
        ("search:latency=-1", "a number"),
        ("search:latency=lognormal:9,1", "P50 <= P99"),
        ("search:hang=nan", "a number"),
        ("search:resetx0", "count"),
        ("search:resetx100000000000000000000", "count"),
        ("search:redirect=\n", "printable"),
        ("search:missing_price=frist", "first, or left out"),
    ],
)
def test_nonsensical_fault_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault.parse(text)


def test_fault_with_a_count_is_played_that_many_times() -> None:
    book = FaultBook(("search:resetx2",))
    played = [book.take("search", JFK_LAX) for _ in range(3)]
    assert [fault is not None for fault in played] == [True, True, False]


def test_fault_without_a_count_stays_until_cleared() -> None:
    book = FaultBook(("search:reset",))
    assert all(book.take("search", JFK_LAX) for _ in range(100))


def test_later_fault_replaces_an_earlier_one() -> None:
    book = FaultBook(("search:reset", "search:close", "token:reset"))
    assert [fault.name for fault in book.all()] == ["close", "reset"]


@pytest.mark.parametrize(
    ("aim", "hit"),
    [
        ({}, True),
        ({"origin": "JFK"}, True),
        ({"destination": "LAX"}, True),
        ({"origin": "JFK", "destination": "LAX"}, True),
        ({"origin": "LAX"}, False),
        ({"origin": "JFK", "destination": "SFO"}, False),
    ],
)
def test_fault_can_be_limited_to_one_route(aim: dict[str, str], hit: bool) -> None:
    book = FaultBook()
    book.set(Fault("search", "reset", **aim))  # type: ignore[arg-type]
    assert (book.take("search", JFK_LAX) is not None) is hit
    assert book.take("token", None) is None


def test_fault_for_one_route_precedes_a_general_one() -> None:
    book = FaultBook(("search:reset",))
    book.set(Fault("search", "close", origin="JFK"))
    fault = book.take("search", JFK_LAX)
    assert fault
    assert fault.name == "close"


def test_fault_for_a_route_applies_to_posted_searches(sandbox: InProcess) -> None:
    from tests.support.clients.sandbox_client import body  # noqa: PLC0415

    sandbox.fault("search", "status", 503, origin="JFK", destination="LAX")
    assert sandbox.post(body()).status_code == 503
    assert sandbox.post(body(("LAX", "JFK", "2026-12-10"))).status_code == 200


@pytest.mark.parametrize(
    ("name", "text"),
    [("null", "null"), ("list", "[]"), ("string", '"text"'), ("empty", ""), ("empty_object", "{}")],
)
@pytest.mark.parametrize("leg", ["search", "token"])
def test_fault_can_replace_the_body(sandbox: InProcess, leg: str, name: str, text: str) -> None:
    assert sandbox.token
    sandbox.fault(leg, name)
    answer = sandbox.search() if leg == "search" else sandbox.ask_token()
    assert (answer.status_code, answer.text) == (200, text)


@pytest.mark.parametrize(
    ("name", "arg", "content_type"),
    [
        ("charset", None, "application/vnd.amadeus+json; charset=utf-8"),
        ("content_type", None, "application/hal+json"),
        ("content_type", "Application/JSON", "Application/JSON"),
        ("no_content_type", None, None),
        ("html", None, "text/html"),
    ],
)
def test_fault_can_replace_the_content_type(
    sandbox: InProcess, name: str, arg: str | None, content_type: str | None
) -> None:
    sandbox.fault("search", name, arg)
    assert sandbox.search().headers.get("content-type") == content_type


@pytest.mark.parametrize("name", ["invalid_json", "bom", "latin1", "nan", "deep", "html", "empty"])
def test_fault_can_make_the_body_unreadable(sandbox: InProcess, name: str) -> None:
    sandbox.fault("search", name)
    answer = sandbox.search(max=1)
    with pytest.raises((ValueError, RecursionError)):
        json.loads(answer.content, parse_constant=float("none").__class__)


def test_fault_can_compress_the_body_unasked(sandbox: InProcess) -> None:
    honest = sandbox.search(max=1)
    sandbox.fault("search", "gzip")
    with sandbox.http.stream("GET", honest.request.url, headers=honest.request.headers) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == honest.content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no_data", {"meta": {"count": 0}}),
        ("null_data", {"meta": {"count": 0}, "data": None}),
        ("empty_list", {"meta": {"count": 0}, "data": []}),
    ],
)
def test_fault_can_remove_or_empty_the_offer_list(
    sandbox: InProcess, name: str, content: dict[str, Any]
) -> None:
    sandbox.fault("search", name)
    assert sandbox.search().json() == content


def test_fault_can_remove_all_prices_or_the_first(sandbox: InProcess) -> None:
    sandbox.fault("search", "missing_price")
    assert not any("price" in offer for offer in sandbox.offers())
    sandbox.fault("search", "missing_price", "first")
    assert ["price" in offer for offer in sandbox.offers(max=3)] == [False, True, True]


@pytest.mark.parametrize("odd", ["abc", "NaN", "-1", "1e400", ""])
def test_fault_can_make_prices_odd(sandbox: InProcess, odd: str) -> None:
    sandbox.fault("search", "odd_price", odd)
    assert {o["price"]["grandTotal"] for o in sandbox.offers(max=3)} == {odd}
    sandbox.fault("search", "odd_price", f"first:{odd}")
    assert [o["price"]["grandTotal"] == odd for o in sandbox.offers(max=2)] == [True, False]


def test_fault_can_mix_currencies(sandbox: InProcess) -> None:
    sandbox.fault("search", "mixed_currency")
    assert [o["price"]["currency"] for o in sandbox.offers(max=3)] == ["EUR", "USD", "EUR"]


def test_fault_can_unsort_the_offers(sandbox: InProcess) -> None:
    honest = sandbox.offers(max=5)
    sandbox.fault("search", "unsorted")
    offers = sandbox.offers(max=5)
    assert offers != honest
    assert sorted(offers, key=price) == honest


def test_fault_can_make_the_body_huge_and_still_valid(sandbox: InProcess) -> None:
    honest = sandbox.search(max=1)
    sandbox.fault("search", "huge", 1_000_000)
    answer = sandbox.search(max=1)
    assert len(answer.content) == len(honest.content) + 1_000_000
    assert answer.json() == honest.json()


@pytest.mark.parametrize(
    ("arg", "status", "location"),
    [
        ("http://127.0.0.1:1/", 302, "http://127.0.0.1:1/"),
        ("307:/v2/x", 307, "/v2/x"),
        ("301:", 301, None),
        (None, 302, None),
    ],
)
def test_fault_can_redirect(
    sandbox: InProcess, arg: str | None, status: int, location: str | None
) -> None:
    sandbox.fault("search", "redirect", arg)
    answer = sandbox.search()
    assert (answer.status_code, answer.headers.get("location")) == (status, location)


@pytest.mark.parametrize(
    ("arg", "status", "code"),
    [
        ("400", 400, 477),
        ("400:425", 400, 425),
        ("401", 401, 38190),
        ("401:38192", 401, 38192),
        ("401:39683", 401, 39683),
        ("401:39686", 401, 39686),
        ("403", 403, 38197),
        ("404", 404, 1797),
        ("404:38196", 404, 38196),
        ("429", 429, 38194),
        ("429:38195", 429, 38195),
        ("500", 500, 141),
        ("500:38189", 500, 38189),
        ("503", 503, 141),
    ],
)
def test_fault_with_a_status_has_its_documented_body(
    sandbox: InProcess, arg: str, status: int, code: int
) -> None:
    sandbox.fault("search", "status", arg)
    answer = sandbox.search()
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
    assert error["title"] != "UNKNOWN ERROR"


@pytest.mark.parametrize(
    ("arg", "code", "seconds"),
    [("429:38194:30", 38194, "30"), ("429::5", 38194, "5"), ("429:38195", 38195, None)],
)
@pytest.mark.parametrize("leg", ["search", "token"])
def test_fault_with_a_status_can_say_when_to_retry(
    sandbox: InProcess, leg: str, arg: str, code: int, seconds: str | None
) -> None:
    sandbox.fault(leg, "status", arg)
    answer = sandbox.search() if leg == "search" else sandbox.ask_token()
    assert answer.json()["errors"][0]["code"] == code
    assert answer.headers.get("Retry-After") == seconds


@pytest.mark.parametrize(
    ("arg", "error", "code"),
    [
        ("400", "unsupported_grant_type", 38187),
        ("401", "invalid_client", 38187),
        ("401:39683", "invalid_client", 39683),
        ("401:39686", "invalid_client", 39686),
        ("500", "server_error", 38189),
    ],
)
def test_token_errors_are_flat_objects(sandbox: InProcess, arg: str, error: str, code: int) -> None:
    sandbox.fault("token", "status", arg)
    answer = sandbox.ask_token()
    assert answer.status_code == int(arg[:3])
    assert (answer.json()["error"], answer.json()["code"]) == (error, code)


def test_gateway_error_of_the_token_leg_is_a_list(sandbox: InProcess) -> None:
    sandbox.fault("token", "status", 429)
    assert sandbox.ask_token().json()["errors"][0]["code"] == 38194


@pytest.mark.parametrize("status", [201, 203, 302, 600])
def test_fault_can_combine_any_status_with_a_valid_body(sandbox: InProcess, status: int) -> None:
    sandbox.fault("search", "status", status)
    answer = sandbox.search(max=1)
    assert answer.status_code == status
    assert ("data" in answer.json()) is (status < 400)


@pytest.mark.parametrize("name", ["204", "status"])
def test_204_and_304_have_no_body(sandbox: InProcess, name: str) -> None:
    sandbox.fault("search", name, 304 if name == "status" else None)
    answer = sandbox.search()
    assert (answer.status_code, answer.content) == (304 if name == "status" else 204, b"")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("errors_null", {"errors": None}),
        ("source_null", {"source": None}),
        ("detail_int", {"detail": 42}),
        ("detail_null", {"detail": None}),
    ],
)
def test_fault_can_make_error_bodies_malformed(
    sandbox: InProcess, name: str, expected: dict[str, Any]
) -> None:
    sandbox.fault("search", name)
    answer = sandbox.search()
    content = answer.json()
    assert answer.status_code == 400
    assert expected.items() <= (content["errors"][0] if content["errors"] else content).items()


def test_fault_can_make_error_codes_text(sandbox: InProcess) -> None:
    sandbox.fault("search", "string_codes", "401:38192")
    answer = sandbox.search()
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["status"], error["code"]) == (401, "401", "38192")


def test_fault_can_make_errors_an_object_or_a_list_of_two(sandbox: InProcess) -> None:
    sandbox.fault("search", "errors_dict")
    assert isinstance(sandbox.search().json()["errors"], dict)
    sandbox.fault("search", "two_errors")
    assert len(sandbox.search().json()["errors"]) == 2


@pytest.mark.parametrize("name", ["html", "empty", "gzip", "latin1", "null", "list", "charset"])
def test_fault_can_spoil_error_answers_too(sandbox: InProcess, name: str) -> None:
    sandbox.fault("search", name, 500)
    assert sandbox.search().status_code == 500


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("null_expires_in", {"expires_in": None}),
        ("string_expires_in", {"expires_in": "1799"}),
        ("tiny_expires_in", {"expires_in": 5}),
        ("newline_token", {"access_token": "a\r\nX: y"}),
        ("state_expired", {"state": "expired"}),
    ],
)
def test_fault_can_make_the_token_odd(
    sandbox: InProcess, name: str, changed: dict[str, Any]
) -> None:
    sandbox.fault("token", name)
    assert changed.items() <= sandbox.ask_token().json().items()


@pytest.mark.parametrize("field", ["access_token", "expires_in"])
def test_fault_can_remove_a_field_of_the_token(sandbox: InProcess, field: str) -> None:
    sandbox.fault("token", f"no_{field}")
    assert field not in sandbox.ask_token().json()


@pytest.mark.parametrize("name", ["missing_price", "unsorted", "mixed_currency", "odd_price"])
def test_offer_fault_leaves_a_refusal_unchanged(sandbox: InProcess, name: str) -> None:
    sandbox.fault("search", name)
    assert sandbox.search(adults=0).status_code == 400


@pytest.mark.parametrize("name", ["reset", "close", "garbage", "truncated", "reset_in_body"])
def test_connection_fault_without_a_server_is_an_error(sandbox: InProcess, name: str) -> None:
    sandbox.fault("search", name, count=1)
    with pytest.raises(ConnectionResetError):
        sandbox.search()
    assert sandbox.search(max=1).status_code == 200


def test_latency_fault_accepts_a_lognormal_distribution(sandbox: InProcess) -> None:
    sandbox.fault("search", "latency", "lognormal:50,50", count=1)
    started = time.monotonic()
    assert sandbox.search(max=1).status_code == 200
    assert time.monotonic() - started >= 0.05


def test_leading_slashes_do_not_hide_the_path_from_faults(sandbox: InProcess) -> None:
    assert sandbox.token
    sandbox.fault("search", "status", 503)
    assert sandbox.http.get("http://sandbox//v2/shopping/flight-offers").status_code == 503
    assert sandbox.counters()["search"]["calls"] == 1


def test_fault_of_one_leg_does_not_affect_the_other(sandbox: InProcess) -> None:
    sandbox.fault("search", "status", 500)
    assert sandbox.ask_token().status_code == 200
    assert sandbox.http.get("/").status_code == 200
