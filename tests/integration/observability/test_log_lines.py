"""The log lines of the service: one form, one request id, and no secrets."""

import base64
import re
from collections.abc import Iterator

import pytest

from api.telemetry.events import Event
from tests.support.leaks import leaks, token_ending
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import CLIENT_SECRET, Service, some_day


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


@pytest.fixture(scope="module")
def service(sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(sandbox) as service:
        yield service


def test_log_holds_no_secret_at_any_level(sandbox: SandboxServer) -> None:
    ending = token_ending(sandbox)
    secrets = [CLIENT_SECRET, "redis-password", ending]

    with RedisServer("--requirepass", "redis-password") as redis:
        url = f"redis://:redis-password@127.0.0.1:{redis.port}/0"
        with Service.on(sandbox, redis_url=url, log_level="debug", amadeus_timeout=1) as service:
            run_scenario(sandbox, service, redis)
            answers = [service.price(date="x").text, service.get("/readyz").text]
            service.stop()
            said = service.log_text

    assert len(said.splitlines()) > 30
    assert leaks(said + "".join(answers), secrets) == []
    for secret in (f"Bearer {ending}", base64.b64encode(f"id:{CLIENT_SECRET}".encode()).decode()):
        assert leaks(said + secret, secrets)


def run_scenario(sandbox: SandboxServer, service: Service, redis: RedisServer) -> None:
    """Cause prices, a replaced and a refused token, all kinds of failure, a Redis outage."""
    service.price()
    sandbox.revoke_tokens(38192)
    service.price(date=some_day(31))
    faults = ("status=401:38190", "reset", "garbage", "hang", "list", "deep", "status=500")
    for ahead, fault in enumerate(faults, start=32):
        name, _, argument = fault.partition("=")
        sandbox.fault("search", name, argument or None)
        service.price(date=some_day(ahead))
    sandbox.clear()
    redis.kill()
    service.price(date=some_day(50))


def test_log_lines_are_json_with_a_listed_event_including_gunicorns(service: Service) -> None:
    service.price()
    service.get("/nope")
    lines = service.log()

    assert {line["event"] for line in lines} <= set(Event)
    assert all(list(line)[:3] == ["timestamp", "level", "event"] for line in lines)
    assert all(re.fullmatch(r"....-..-..T..:..:..\.\d{3}Z", line["timestamp"]) for line in lines)
    messages = [line["message"] for line in lines if line["event"] == "gunicorn"]
    assert any(message.startswith("Listening at") for message in messages)


def test_log_lines_of_a_request_carry_its_id(service: Service) -> None:
    query = {"origin": "JFK", "destination": "LAX", "date": some_day(40)}
    service.http.get("/flights/price", params=query, headers={"X-Request-ID": "mine"})
    eventually(lambda: service.log("http.request", request_id="mine"))
    events = [line["event"] for line in service.log(request_id="mine")]

    assert events == ["cache.miss", "amadeus.call", "cache.stored", "http.request"]


def test_log_lines_of_a_price_request_carry_their_fields(service: Service) -> None:
    fetched = service.price(date=some_day(41)).headers["X-Request-ID"]
    service.price(date=some_day(41))
    [request] = eventually(lambda: service.log("http.request", request_id=fetched))
    [hit] = eventually(lambda: service.log("cache.hit"))
    call = service.log("amadeus.call", status=200)[-1]

    assert (hit["origin"], hit["destination"], hit["date"]) == ("JFK", "LAX", some_day(41))
    assert (hit["ttl"], hit["age"] >= 0) == (600, True)
    assert (request["method"], request["path"], request["status"]) == ("GET", "/flights/price", 200)
    assert request["duration_ms"] > 0
    assert call["duration_ms"] > 0


def test_hit_writes_one_log_line(service: Service) -> None:
    service.price(date=some_day(42))
    hit = service.price(date=some_day(42))
    [line] = service.log(request_id=hit.headers["X-Request-ID"])

    assert (line["event"], line["level"]) == ("cache.hit", "info")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/flights/price", 200)
    assert (line["origin"], line["destination"], line["date"]) == ("JFK", "LAX", some_day(42))
    assert line.keys() >= {"duration_ms", "age", "ttl"}


def test_request_ends_with_exactly_one_log_line_with_its_duration(service: Service) -> None:
    day = some_day(43)
    answers = [service.price(date=day), service.price(date=day), service.price(date="x")]
    answers += [service.price(date=day, nocache="1"), service.get("/nope")]
    hit = {"If-None-Match": answers[1].headers["ETag"]}
    answers.append(service.http.get(service.price_url(43), headers=hit))

    for answer in answers:
        lines = service.log(request_id=answer.headers["X-Request-ID"])
        ends = [line for line in lines if {"method", "path", "status", "duration_ms"} <= {*line}]
        assert [line["status"] for line in ends] == [answer.status_code]
        assert ends == lines[-1:]


def test_successful_probe_writes_no_log_line(service: Service) -> None:
    assert service.get("/healthz").is_success
    assert service.get("/flights/ping").is_success
    eventually(lambda: service.log("http.request", path="/flights/ping"))

    assert not service.log("http.request", path="/healthz")
    assert not service.log("http.request", path="/readyz", status=200)


def test_log_level_hides_the_lines_below_it(sandbox: SandboxServer) -> None:
    with Service.on(sandbox, log_level="warning") as service:
        service.price()
        service.price(date="x")
        lines = service.log()

    assert {line["level"] for line in lines} <= {"warning", "error"}


def test_console_log_lines_are_readable_text() -> None:
    with Service(log_format="console") as service:
        service.price()
        text = eventually(lambda: "cache.stored" in service.log_text and service.log_text)

    assert re.search(r"cache\.stored +JFK-LAX", str(text))
    assert '{"' not in str(text)
