"""Magic routes: each shows one failure, in the sandbox and through the service."""

import html
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import airportsdata
import gevent
import httpx2
import pytest
import structlog
from falcon.testing import Result

from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from sandbox.faults.magic_routes import MAGIC_ROUTES, ORIGIN
from tests.support.clients.in_process import LocalService
from tests.support.clients.sandbox_client import (
    AHEAD,
    JFK_TO_LAX,
    InProcess,
    body,
    price,
    refusals,
)
from tests.support.servers.service import some_day

README = (Path(__file__).parents[3] / "sandbox" / "README.md").read_text()
EXAMPLES = re.findall(r"^curl .*/flights/price\?(.*)\"   # (\d+) ?(\S*)$", README, re.MULTILINE)
ANSWERING = sorted(MAGIC_ROUTES.keys() - {"LTE"})
# How long the tests wait for an answer that never comes.
TIMEOUT = 0.3


def to(destination: str) -> dict[str, Any]:
    return {"originLocationCode": ORIGIN, "destinationLocationCode": destination}


def ask(service: LocalService, destination: str, **query: str) -> Result:
    return service.price("GET", None, origin=ORIGIN, destination=destination, **query)


@pytest.mark.parametrize(("query", "status", "code"), EXAMPLES, ids=lambda text: text[-20:])
def test_readme_promises_the_answer_of_the_service(query: str, status: str, code: str) -> None:
    wanted = dict(parse_qsl(query)) | {"date": some_day()}
    settings: dict[str, Any] = {}
    if wanted["destination"] == "LTE":
        settings["amadeus_timeout"] = TIMEOUT
    with LocalService(**settings) as service:
        answer = service.get("/flights/price", None, **wanted)

    assert answer.status_code == int(status)
    assert answer.json.get("code", "") == code
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)


def test_readme_has_an_example_and_a_row_for_each_magic_route() -> None:
    assert [query for query, *_ in EXAMPLES] == [
        f"origin={ORIGIN}&destination={destination}&date=$DAY" for destination in MAGIC_ROUTES
    ]
    rows = re.findall(r"^\| `([A-Z]{3})` \| (.*?) \|", README, re.MULTILINE)
    assert rows == [(destination, magic.answer) for destination, magic in MAGIC_ROUTES.items()]


def test_cheapest_of_unsorted_offers_is_found() -> None:
    with LocalService() as service:
        unsorted, sorted_ = ask(service, "UNS"), service.price()
    assert unsorted.json["data"]["price"] == sorted_.json["data"]["price"]


def test_revoked_token_is_replaced_and_the_new_one_serves_later_searches_too() -> None:
    with LocalService() as service, structlog.testing.capture_logs() as record:
        answers = [ask(service, "REV", adults=adults) for adults in "123"]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [line["code"] for line in record if line["event"] == "token.rejected"] == ["38193"]


def test_hang_ends_with_the_time_limit_of_the_service_and_leaves_nothing_behind() -> None:
    with LocalService(amadeus_timeout=TIMEOUT) as service:
        begun = time.monotonic()
        answer = ask(service, "LTE")
        took = time.monotonic() - begun
        service.clear()  # sets the highest number of requests at once to the present one
        left = service.most_at_once()
    assert answer.json["code"] == "amadeus-timeout"
    assert TIMEOUT <= took < 10 * TIMEOUT
    assert left == 0


def test_rate_limit_is_reported_with_the_time_to_come_back() -> None:
    with LocalService() as service:
        answer = ask(service, "RAT")
        assert service.searches() == 2
    assert answer.headers["Retry-After"] == "1"


def test_used_up_quota_stops_every_search_for_ten_seconds() -> None:
    now = time.time()
    store = MemoryStore(Metrics(), clock=lambda: now)
    with LocalService(store=store) as service:
        ask(service, "NOQ")
        elsewhere = service.price()
        assert elsewhere.json["code"] == "amadeus-quota"
        assert elsewhere.headers["Retry-After"] == "10"
        now += 10.001
        assert service.price().status_code == 200


def test_ten_failed_calls_in_a_row_pause_all_calls() -> None:
    with LocalService() as service:
        for _ in range(9):
            ask(service, "JNK")
        assert service.price(adults="2").status_code == 200
        for _ in range(5):
            ask(service, "DWN")
        assert service.price(adults="3").json["code"] == "amadeus-unavailable"


def test_magic_places_do_not_exist() -> None:
    assert {ORIGIN, *MAGIC_ROUTES}.isdisjoint(airportsdata.load("IATA"))
    assert {ORIGIN, *MAGIC_ROUTES}.isdisjoint(airportsdata.load_iata_macs())


@pytest.mark.parametrize(
    ("origin", "destination"), [(ORIGIN, "LAX"), ("JFK", "NIL"), ("NIL", ORIGIN)]
)
def test_magic_place_on_another_route_is_unknown(
    honest: InProcess, origin: str, destination: str
) -> None:
    answer = honest.search(originLocationCode=origin, destinationLocationCode=destination)
    assert {code for code, _ in refusals(answer)} == {4926}


@pytest.mark.parametrize("destination", ANSWERING)
def test_magic_route_answers_as_the_page_says(sandbox: InProcess, destination: str) -> None:
    page = html.unescape(sandbox.http.get("/").text)
    [(promise, path)] = re.findall(rf"# (.*)\ncurl .*\n  '(.*?{destination}.*?)'", page)

    answer = sandbox.http.get(path, headers={"Authorization": f"Bearer {sandbox.token}"})

    assert promise == MAGIC_ROUTES[destination].answer
    assert str(answer.status_code) == promise[:3]
    assert re.findall(r"code (\d+)", promise) == codes(answer)


def codes(answer: httpx2.Response) -> list[str]:
    return [str(code) for code, _ in refusals(answer)] if answer.status_code >= 400 else []


def test_hang_stays_silent(sandbox: InProcess) -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.2):
        sandbox.search(**to("LTE"))


@pytest.mark.parametrize("destination", ANSWERING)
def test_magic_route_behaves_the_same_in_a_post(sandbox: InProcess, destination: str) -> None:
    got = sandbox.search(**to(destination))
    posted = sandbox.post(body((ORIGIN, destination, AHEAD), (destination, ORIGIN, "2026-12-20")))
    assert posted.status_code == got.status_code
    assert codes(posted) == codes(got)


def test_offers_of_an_unsorted_answer_are_complete(sandbox: InProcess) -> None:
    offers = sandbox.offers(**to("UNS"))
    assert [price(one) for one in offers] == sorted(map(price, offers), reverse=True)
    assert offers[::-1] == sandbox.offers()


def test_revoked_token_is_refused_until_a_new_one_comes(sandbox: InProcess) -> None:
    def status(token: str) -> int:
        return sandbox.get(JFK_TO_LAX | to("REV"), token).status_code

    old, new = (sandbox.ask_token().json()["access_token"] for _ in range(2))
    assert [status(token) for token in (old, old, new, new, old)] == [401, 401, 200, 200, 401]
    sandbox.clock.now += 61
    newest = sandbox.ask_token().json()["access_token"]
    assert [status(token) for token in (new, newest)] == [401, 200]


def test_clients_do_not_disturb_each_other_on_the_route_of_the_revoked_token(
    sandbox: InProcess,
) -> None:
    for client in ("one", "two"):
        token = sandbox.ask_token(client_id=client).json()["access_token"]
        assert sandbox.get(JFK_TO_LAX | to("REV"), token).status_code == 401


@pytest.mark.parametrize("destination", MAGIC_ROUTES)
def test_invalid_search_for_a_magic_route_is_refused_as_usual(
    honest: InProcess, destination: str
) -> None:
    past = honest.search(**to(destination), departureDate="2020-01-01")
    assert refusals(past) == [(425, "departureDate")]
    assert honest.get(str(past.request.url.query, "ascii"), "wrong").status_code == 401


def test_fault_that_was_set_does_not_act_on_a_magic_route(sandbox: InProcess) -> None:
    sandbox.fault("search", "status", 503, count=1)
    assert sandbox.offers(**to("NIL")) == []
    assert sandbox.search().status_code == 503
