"""What any client can rely on, knowing only the address of the service."""

import re
from collections.abc import Callable

import httpx2
import pytest

Ask = Callable[..., httpx2.Response]


@pytest.mark.parametrize("path", ["/flights/ping", "/flights/ping/", "/ping", "/ping/"])
def test_ping_answers_pong_from_outside(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()) == (200, {"data": "pong"})


def test_price_endpoint_returns_the_cheapest_price_of_a_day(price: Ask, day: str) -> None:
    answer = price(date=day)

    data = answer.json()["data"]
    assert answer.status_code == 200
    assert list(data) == ["origin", "destination", "departure_date", "price"]
    assert (data["origin"], data["destination"], data["departure_date"]) == ("JFK", "LAX", day)
    assert re.fullmatch(r"\d+(\.\d+)? [A-Z]{3}", data["price"])


def test_second_request_is_a_hit(price: Ask, day: str) -> None:
    first, second = price(date=day), price(date=day)

    assert second.headers["X-Cache"] == "hit"
    assert second.content == first.content


def test_nocache_fetches_a_new_price(price: Ask, day: str) -> None:
    price(date=day)

    forced, after = price(date=day, nocache="1"), price(date=day)

    assert (forced.headers["X-Cache"], forced.headers["Cache-Control"]) == ("bypass", "no-store")
    assert (after.headers["X-Cache"], after.content) == ("hit", forced.content)


def test_airport_codes_are_accepted_in_either_case(price: Ask, day: str) -> None:
    assert price(date=day, origin="jfk", destination="lax").content == price(date=day).content


def test_price_responses_carry_their_headers(price: Ask, day: str) -> None:
    expected = {"x-cache", "cache-status", "age", "cache-control", "etag", "x-request-id"}

    assert expected | {"x-amadeus-environment"} <= set(price(date=day).headers)


def test_request_ids_of_two_requests_differ(http: httpx2.Client) -> None:
    answer = http.get("/flights/ping", headers={"X-Request-ID": "my-own-id"})

    assert answer.headers["X-Request-ID"] == "my-own-id"


def test_bad_request_names_every_wrong_parameter(price: Ask) -> None:
    answer = price(origin="J", date="yesterday", adults="0")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {fault["parameter"] for fault in answer.json()["errors"]} == {
        "origin", "date", "adults",
    }  # fmt: skip


def test_front_page_is_a_page_for_browsers_and_a_list_for_programs(http: httpx2.Client) -> None:
    assert "/flights/price" in http.get("/").json()["paths"]
    page = http.get("/", headers={"Accept": "text/html"})
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(("path", "code"), [("/nope", "not-found"), ("/flights", "not-found")])
def test_unknown_paths_get_404(http: httpx2.Client, path: str, code: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_other_methods_get_405(http: httpx2.Client) -> None:
    answer = http.post("/flights/price")

    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


def test_service_describes_itself_to_programs_and_people(http: httpx2.Client) -> None:
    assert "/flights/price" in http.get("/openapi.json").json()["paths"]
    assert http.get("/docs").headers["Content-Type"].startswith("text/html")


def test_service_is_alive_and_ready_and_knows_its_version(http: httpx2.Client) -> None:
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").status_code == 200
    assert http.get("/version").json()["version"]
