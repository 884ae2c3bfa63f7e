"""GET /flights/offer: the flight behind the price, from the same entry."""

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

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


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(_days))


def price_part(answer: Any) -> dict[str, Any]:
    """What an answer says of the price."""
    data = answer.json["data"]
    return {name: data[name] for name in ("origin", "destination", "departure_date", "price")}


@pytest.mark.parametrize("order", [("price", "offer"), ("offer", "price")])
def test_one_fetch_fills_price_and_offer(
    service: LocalService, day: str, order: tuple[str, str]
) -> None:
    first, second = (getattr(service, name)(date=day) for name in order)

    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert price_part(first) == price_part(second)
    assert service.searches() == 1


def test_offer_begins_with_the_document_of_the_price(service: LocalService, day: str) -> None:
    price, offer = service.price(date=day).text, service.offer(date=day).text

    assert offer.startswith(price.removesuffix("}}\n"))
    assert offer.endswith("}]}]}}\n")


def test_one_way_offer_has_one_itinerary_with_its_segments(service: LocalService, day: str) -> None:
    data = service.offer(date=day).json["data"]

    [itinerary] = data["itineraries"]
    first, last = itinerary["segments"][0], itinerary["segments"][-1]
    assert (first["from"], last["to"]) == ("JFK", "LAX")
    assert first["departs"].startswith(day)
    assert itinerary["stops"] >= len(itinerary["segments"]) - 1
    assert set(data["airline"]) == {"code", "name"}
    assert first["cabin"] == "ECONOMY"


def test_round_trip_offer_has_two_itineraries(service: LocalService, day: str) -> None:
    data = service.offer(date=day, return_date=some_day(200)).json["data"]

    there, back = data["itineraries"]
    assert there["segments"][0]["from"] == back["segments"][-1]["to"] == "JFK"


def test_offer_has_the_headers_of_the_price_and_its_own_etag(
    service: LocalService, day: str
) -> None:
    service.price(date=day)

    price, offer = service.price(date=day).headers, service.offer(date=day).headers

    own = {"x-request-id", "etag", "content-length", "cache-status"}
    assert set(price) == set(offer)
    assert all(price[name] == offer[name] for name in set(price) - own)
    assert price["ETag"] != offer["ETag"]


def test_matching_etag_of_an_offer_gets_304_and_that_of_the_price_does_not(
    service: LocalService, day: str
) -> None:
    price, offer = service.price(date=day), service.offer(date=day)

    same, other = (
        service.offer(headers={"If-None-Match": answer.headers["ETag"]}, date=day)
        for answer in (offer, price)
    )

    assert (same.status_code, same.content) == (304, b"")
    assert (other.status_code, other.content) == (200, offer.content)


def test_nocache_offer_is_the_new_price_for_everybody(service: LocalService, day: str) -> None:
    service.price(date=day)
    service.fault("search", "odd_price", "101.00")

    offer = service.offer(date=day, nocache="1")

    assert offer.headers["X-Cache"] == "bypass"
    assert offer.json["data"]["price"] == "101 EUR"
    assert service.price(date=day).json["data"]["price"] == "101 EUR"


def test_head_of_an_offer_has_the_headers_of_get(service: LocalService, day: str) -> None:
    get, head = service.offer(date=day), service.offer("HEAD", date=day)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_day_without_offers_is_the_same_404_for_price_and_offer(
    service: LocalService, day: str
) -> None:
    service.fault("search", "empty_list")

    answers = [service.offer(date=day), service.price(date=day)]

    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit"]
    assert {(answer.status_code, answer.json["detail"]) for answer in answers} == {
        (404, f"No flight offers from JFK to LAX on {day}.")
    }
    assert "ETag" not in answers[0].headers


def test_bad_input_of_an_offer_is_answered_as_that_of_a_price(service: LocalService) -> None:
    odd: dict[str, Any] = {"origin": "J", "date": "soon", "adults": "0", "x": "1"}

    price, offer = service.price(**odd).json, service.offer(**odd).json

    del price["request_id"], offer["request_id"]
    assert offer == price
    assert (offer["status"], len(offer["errors"])) == (400, 4)
    assert service.searches() == 0


def test_failure_of_amadeus_is_the_same_problem_for_price_and_offer(
    service: LocalService, day: str
) -> None:
    service.fault("search", "html", "503")

    answers = [service.price(date=day), service.offer(date=day)]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [
        (503, "amadeus-unavailable")
    ] * 2


def test_stale_offer_belongs_to_the_stale_price() -> None:
    now = [time.time()]
    with LocalService(store=MemoryStore(Metrics(), clock=lambda: now[0]), cache_ttl=1) as service:
        fresh = service.offer()
        service.fault("search", "html", "503")
        now[0] += 2

        stale, price = service.offer(), service.price()

    assert (stale.headers["X-Cache"], stale.headers["Cache-Control"]) == ("stale", "max-age=0")
    assert stale.content == fresh.content
    assert price_part(stale) == price_part(price)


def test_entry_of_the_previous_version_is_neither_served_nor_replaced() -> None:
    store = MemoryStore(Metrics())
    with LocalService(store=store) as service:
        key = f"price|sandbox|JFK|LAX|{some_day()}||1-0-0|||"
        line = b'{"data": {"origin": "JFK", "destination": "LAX", "price": "1 EUR"}}\n'
        store.put(key, "", line, store.now(), 600, 0)

        answers = [service.offer(), service.price()]
        kept = store.get(key)

    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit"]
    assert kept is not None
    assert kept.body == line


def test_foreign_value_in_an_entry_is_no_internal_error() -> None:
    store = MemoryStore(Metrics())
    with LocalService(store=store) as service:
        price = service.price()
        key = f"price|2|sandbox|JFK|LAX|{some_day()}||1-0-0|||"
        store.put(key, "", price.content + b"not ours", store.now(), 600, 0)

        offer = service.offer()

    assert offer.headers["X-Cache"] == "hit"
    assert price_part(offer) == price.json["data"]
    assert offer.json["data"]["itineraries"] == []
