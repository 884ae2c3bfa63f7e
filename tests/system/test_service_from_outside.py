"""What any client may rely on, of a service of which only the address is known."""

import re
from collections.abc import Callable

import httpx2
import pytest

Ask = Callable[..., httpx2.Response]


@pytest.mark.parametrize("path", ["/flights/ping", "/flights/ping/", "/ping", "/ping/"])
def test_it_answers_ping_with_pong(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()) == (200, {"data": "pong"})


def test_it_tells_the_cheapest_price_of_a_day(price: Ask, day: str) -> None:
    answer = price(date=day)

    data = answer.json()["data"]
    assert answer.status_code == 200
    assert list(data) == ["origin", "destination", "departure_date", "price"]
    assert (data["origin"], data["destination"], data["departure_date"]) == ("JFK", "LAX", day)
    assert re.fullmatch(r"\d+(\.\d+)? [A-Z]{3}", data["price"])


def test_it_remembers_a_price(price: Ask, day: str) -> None:
    first, second = price(date=day), price(date=day)

    assert second.headers["X-Cache"] == "hit"
    assert second.content == first.content


def test_it_fetches_anew_when_asked_to(price: Ask, day: str) -> None:
    price(date=day)

    forced, after = price(date=day, nocache="1"), price(date=day)

    assert (forced.headers["X-Cache"], forced.headers["Cache-Control"]) == ("bypass", "no-store")
    assert (after.headers["X-Cache"], after.content) == ("hit", forced.content)


def test_it_takes_codes_in_either_case(price: Ask, day: str) -> None:
    assert price(date=day, origin="jfk", destination="lax").content == price(date=day).content


def test_every_price_carries_its_headers(price: Ask, day: str) -> None:
    expected = {"x-cache", "cache-status", "age", "cache-control", "etag", "x-request-id"}

    assert expected | {"x-amadeus-environment"} <= set(price(date=day).headers)


def test_it_says_which_of_two_requests_is_which(http: httpx2.Client) -> None:
    answer = http.get("/flights/ping", headers={"X-Request-ID": "my-own-id"})

    assert answer.headers["X-Request-ID"] == "my-own-id"


def test_it_names_every_fault_of_a_question(price: Ask) -> None:
    answer = price(origin="J", date="yesterday", adults="0")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {fault["parameter"] for fault in answer.json()["errors"]} == {
        "origin", "date", "adults",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "code"), [("/nope", "not-found"), ("/", "not-found")])
def test_it_has_no_other_pages(http: httpx2.Client, path: str, code: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_it_refuses_other_methods(http: httpx2.Client) -> None:
    answer = http.post("/flights/price")

    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


def test_it_describes_itself_to_programs_and_people(http: httpx2.Client) -> None:
    assert "/flights/price" in http.get("/openapi.json").json()["paths"]
    assert http.get("/docs").headers["Content-Type"].startswith("text/html")


def test_it_is_alive_and_ready_and_knows_its_version(http: httpx2.Client) -> None:
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").status_code == 200
    assert http.get("/version").json()["version"]
