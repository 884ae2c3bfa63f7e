"""The bridge as an environment of the service, in its process."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import BridgedService
from tests.support.metrics_page import value
from tests.support.providers.duffel import Duffel, errors, offer
from tests.support.servers.service import some_day

WRONG_TOKEN = "duffel_live_wrong"


@pytest.fixture
def duffel() -> Duffel:
    return Duffel(offer("306.85"), offer("189.40"))


@pytest.fixture
def service(duffel: Duffel) -> Iterator[BridgedService]:
    with BridgedService(duffel) as running:
        yield running


def state_of_amadeus(service: BridgedService) -> tuple[str, str, str]:
    """What /readyz and /status.json say."""
    readiness, report = (service.get(path).json for path in ("/readyz", "/status.json"))
    state: str = readiness["checks"]["amadeus"]["status"]
    return readiness["status"], state, report["checks"]["amadeus"]


def test_price_is_the_cheapest_offer_of_the_provider(
    service: BridgedService, duffel: Duffel
) -> None:
    answer = service.price()

    assert answer.json["data"]["price"] == "189.40 GBP"
    assert answer.headers["X-Amadeus-Environment"] == "duffel-test"
    assert service.price().headers["X-Cache"] == "hit"
    assert len(duffel.searches) == 1


def test_offer_and_calendar_come_from_the_provider_too(service: BridgedService) -> None:
    found = service.offer().json["data"]
    days = service.calendar({"from": some_day(), "to": some_day()})

    assert found["airline"] == {"code": "ZZ", "name": "Duffel Airways"}
    assert days.json["data"]["cheapest"]["price"] == found["price"] == "189.40 GBP"
    assert days.headers["X-Amadeus-Environment"] == "duffel-test"


def test_status_counts_searches_and_calls_to_the_provider(service: BridgedService) -> None:
    service.price()
    report = service.get("/status.json").json

    assert report["environment"] == "duffel-test"
    assert (report["since_start"]["calls"], report["since_start"]["provider_calls"]) == (1, 2)


def test_each_call_to_the_provider_is_logged_with_what_came_of_it(
    service: BridgedService, duffel: Duffel
) -> None:
    duffel.fail("list", 402, errors(402, "invalid_request_error"))
    with capture_logs() as lines:
        service.price()
    search, listed = (line for line in lines if line["event"] == "provider.call")

    assert (search["log_level"], search["provider"], search["status"]) == ("info", "duffel", 200)
    assert (listed["log_level"], listed["call"], listed["status"]) == (
        "warning", "GET /air/offers", 402,
    )  # fmt: skip
    assert listed["failure"] == "the answer is an error"
    assert listed["error"].startswith("invalid_request_error")


def test_refused_key_shows_once_a_search_was_made() -> None:
    with BridgedService(Duffel(), duffel_access_token=WRONG_TOKEN) as service:
        before = state_of_amadeus(service)
        answer = service.price()
        after = state_of_amadeus(service)

    assert before == ("ready", "ok", "ok")
    assert (answer.status_code, answer.json["code"]) == (502, "amadeus-misconfigured")
    assert after == ("degraded", "misconfigured", "misconfigured")


def test_refused_key_does_not_cost_the_token(service: BridgedService, duffel: Duffel) -> None:
    duffel.fail("search", 401, errors(401, "authentication_error"))
    with capture_logs() as lines:
        service.price()
        service.price(nocache="1")

    assert not [line for line in lines if line["event"].startswith("token.")]


def test_pause_of_an_account_without_money_ends_with_its_store_or_key() -> None:
    store = MemoryStore(Metrics())
    duffel = Duffel(offer())
    duffel.fail("search", 402, errors(402, "invalid_request_error"))
    codes = []
    for settings in (
        {"store": store},
        {"store": store},  # the account has money again, and the service was restarted
        {"store": store, "duffel_access_token": WRONG_TOKEN},
        {},
    ):
        with BridgedService(duffel, **settings) as service:
            codes.append(service.price().json.get("code", "price"))

    assert codes == ["amadeus-quota", "amadeus-quota", "amadeus-misconfigured", "price"]


def test_window_of_a_provider_stops_searches_until_its_end() -> None:
    now = [time.time()]
    store = MemoryStore(Metrics(), clock=lambda: now[0])
    duffel = Duffel(offer())
    window = {
        "date": "Sat, 28 Nov 2026 10:00:00 GMT",
        "ratelimit_reset": "Sat, 28 Nov 2026 10:01:00 GMT",
    }
    with BridgedService(duffel, store=store) as service:
        duffel.fail("search", 429, errors(429, "rate_limit_error"), **window)
        refused, waiting = service.price(), service.price(date=some_day(31))
        now[0] += 61
        answer = service.price()

    assert [reply.status_code for reply in (refused, waiting, answer)] == [503, 503, 200]
    assert {int(reply.headers["Retry-After"]) for reply in (refused, waiting)} <= {59, 60}
    assert len(duffel.searches) == 2


def test_last_known_price_stands_in_for_a_failing_provider() -> None:
    now = [time.time()]
    store = MemoryStore(Metrics(), clock=lambda: now[0])
    duffel = Duffel(offer())
    with BridgedService(duffel, store=store, cache_ttl=1) as service:
        service.price()
        duffel.fail("search", 500, errors(500, "api_error"))
        now[0] += 2

        answer = service.price()

    assert (answer.headers["X-Cache"], answer.json["data"]["price"]) == ("stale", "306.85 GBP")


@pytest.mark.parametrize("status", [404, 429, 503, 504])
def test_failed_search_is_not_repeated_because_each_is_billed(
    service: BridgedService, duffel: Duffel, status: int
) -> None:
    duffel.fail("search", status, errors(status, "api_error"))

    assert service.price().status_code == 503
    assert len(duffel.searches) == 1


def test_failed_list_is_repeated_without_another_search(
    service: BridgedService, duffel: Duffel
) -> None:
    duffel.fail("list", 503, errors(503, "api_error"))

    assert service.price().status_code == 200
    assert len(duffel.searches) == 1


@pytest.mark.parametrize(("timeout", "milliseconds"), [(5, 2_000), (6, 3_000)])
def test_duffel_ends_its_search_three_seconds_before_the_service(
    duffel: Duffel, timeout: int, milliseconds: int
) -> None:
    with BridgedService(duffel, amadeus_timeout=timeout) as service:
        service.price()

    assert duffel.search_params[0]["supplier_timeout"] == str(milliseconds)


def test_refused_place_is_an_error_of_the_client(service: BridgedService, duffel: Duffel) -> None:
    body = errors(422, "validation_error", field="destination", pointer="/slices/0/destination")
    duffel.fail("search", 422, body)

    answer = service.price()

    assert (answer.status_code, answer.json["code"]) == (400, "rejected-by-amadeus")


def test_refused_searches_do_not_stop_others(service: BridgedService, duffel: Duffel) -> None:
    for days in range(6):
        duffel.fail("search", 422, errors(422, "validation_error"))
        answer = service.price(date=some_day(days + 1))

    assert (answer.status_code, answer.json["code"]) == (400, "rejected-by-amadeus")
    assert service.price().status_code == 200


def test_workers_with_the_same_key_share_a_token() -> None:
    store = MemoryStore(Metrics())
    with (
        BridgedService(Duffel(offer()), store=store),
        BridgedService(Duffel(offer()), store=store) as other,
    ):
        assert other.price().status_code == 200
        assert value(other, "token_fetches_total", result="fetched") == 0


def test_service_with_another_key_does_not_get_the_token() -> None:
    store = MemoryStore(Metrics())
    with (
        BridgedService(Duffel(offer()), store=store),
        BridgedService(Duffel(), duffel_access_token=WRONG_TOKEN, store=store) as other,
    ):
        assert value(other, "token_fetches_total", result="fetched") == 1


def test_answers_and_log_do_not_show_the_key() -> None:
    with (
        capture_logs() as lines,
        BridgedService(Duffel(), duffel_access_token=WRONG_TOKEN) as service,
    ):
        answers: list[Any] = [service.price(), service.offer(nocache="1")]
        answers += [service.get(path) for path in ("/metrics", "/readyz", "/status.json")]
    said = f"{lines}" + "".join(f"{answer.headers} {answer.text}" for answer in answers)

    assert "amadeus-misconfigured" in said
    assert WRONG_TOKEN not in said
