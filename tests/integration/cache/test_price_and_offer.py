"""Price and offer never disagree, while Amadeus changes the offer with each search."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET, Service, some_day

TTL = 1
days = count(10)


class ChangingAmadeus(ThreadingHTTPServer):
    """Answers search number n with one offer: flight DLn for 1000 + n EUR. It can fail instead."""

    fails = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.numbers = count(1)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChangingAmadeus

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"access_token": "token", "expires_in": 1799})

    def do_GET(self) -> None:
        number = next(self.server.numbers)
        offer = {
            "price": {"grandTotal": f"{1000 + number}.00", "currency": "EUR"},
            "itineraries": [{"segments": [{"carrierCode": "DL", "number": f"{number}"}]}],
        }
        self._answer(500 if self.server.fails else 200, {"data": [offer]})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Fleet:
    """Two replicas of one worker each, so that it is known which worker answers."""

    one: Service
    other: Service
    amadeus: ChangingAmadeus
    redis: RedisServer


@pytest.fixture(scope="module")
def running_fleet() -> Iterator[Fleet]:
    with ChangingAmadeus() as amadeus, RedisServer() as redis:
        threading.Thread(target=amadeus.serve_forever).start()
        settings = {
            "redis_url": redis.url,
            "amadeus_base_url": amadeus.url,
            "amadeus_client_id": CLIENT_ID,
            "amadeus_client_secret": CLIENT_SECRET,
            "amadeus_rate_limit": 100,
            "cache_ttl": TTL,
            "web_concurrency": 1,
        }
        with Service(**settings) as one, Service(**settings) as other:
            yield Fleet(one, other, amadeus, redis)
        amadeus.shutdown()


@pytest.fixture
def fleet(running_fleet: Fleet) -> Fleet:
    """The fleet, with an Amadeus that works."""
    running_fleet.amadeus.fails = False
    return running_fleet


@pytest.fixture
def day() -> str:
    """A day that no other test uses."""
    return some_day(next(days))


@dataclass(frozen=True)
class Seen:
    """The number of the search that an answer comes from, and its X-Cache."""

    number: int
    cache: str


def ask(service: Service, path: str, day: str, **options: str) -> Seen:
    """Ask for a price or an offer. Price and flight of an offer have the same number."""
    query = {"origin": "JFK", "destination": "LAX", "date": day, **options}
    answer = service.get(f"/flights/{path}", **query).raise_for_status()
    data = answer.json()["data"]
    number = int(data["price"].removesuffix(" EUR")) - 1000
    if path == "offer":
        assert data["itineraries"][0]["segments"][0]["flight"] == f"DL{number}"
    return Seen(number, answer.headers["X-Cache"])


def is_fresh(service: Service, day: str) -> bool:
    """Whether the price is cached and at most as old as its TTL."""
    query = {"origin": "JFK", "destination": "LAX", "date": day, "known": "1", "max_age": str(TTL)}
    return service.get("/flights/price", **query).status_code == 200


def alternate(service: Service, day: str, seconds: float) -> list[Seen]:
    """Ask for the price and the offer in turn."""
    until = time.monotonic() + seconds
    seen = [ask(service, "price", day), ask(service, "offer", day)]
    while time.monotonic() < until:
        seen += [ask(service, "price", day), ask(service, "offer", day)]
    return seen


def ask_both(fleet: Fleet, day: str) -> set[int]:
    """The numbers of price and offer at both replicas."""
    return {
        ask(service, path, day).number
        for service in (fleet.one, fleet.other)
        for path in ("price", "offer")
    }


def test_price_and_offer_never_go_back_while_entries_expire_and_are_refreshed(
    fleet: Fleet, day: str
) -> None:
    seen = alternate(fleet.one, day, 2.5 * TTL)
    for path in ("price", "offer"):
        eventually(lambda: not is_fresh(fleet.one, day))  # a known read starts no refresh
        seen += [ask(fleet.one, path, day), *alternate(fleet.one, day, 0)]

    numbers = [each.number for each in seen]
    assert numbers == sorted(numbers)
    assert {each.cache for each in seen} == {"miss", "hit"}
    assert len(set(numbers)) >= 4
    assert fleet.one.log("cache.refreshed", date=day)


def test_stale_price_and_stale_offer_are_one_entry(fleet: Fleet, day: str) -> None:
    fresh = ask(fleet.one, "offer", day)
    fleet.amadeus.fails = True
    eventually(lambda: ask(fleet.other, "price", day).cache == "stale")

    assert ask(fleet.other, "offer", day) == Seen(fresh.number, "stale")
    assert ask_both(fleet, day) == {fresh.number}


def test_price_and_offer_agree_while_redis_is_down_and_afterwards(fleet: Fleet, day: str) -> None:
    seen = alternate(fleet.one, day, TTL)
    fleet.redis.kill()
    seen += alternate(fleet.one, day, 2 * TTL)
    fleet.redis.start()
    seen += alternate(fleet.one, day, 2 * TTL)

    numbers = [each.number for each in seen]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= 4
