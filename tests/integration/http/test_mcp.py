"""POST /mcp over HTTP: its tools, limits, log and metrics, and slow bodies."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.errors import UPSTREAM_ERRORS
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

REVISION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
KEY = "the-key-of-the-client"
TOOLS = ("cheapest_price", "cheapest_offer", "price_calendar")
# What the sandbox does, and the code of the error. The last one stops all searches.
FAULTS = (
    ("status", "400:425", "rejected-by-amadeus"),
    ("status", "403:38197", "amadeus-misconfigured"),
    ("html", None, "amadeus-bad-answer"),
    ("status", "500:141", "amadeus-unavailable"),
    ("hang", None, "amadeus-timeout"),
    ("status", "429:38195", "amadeus-quota"),
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(web_concurrency=2) as service:
        yield service


def ask(service: Service, method: str, key: str = "", **params: Any) -> httpx2.Response:
    headers = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method, "X-API-Key": key}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    return service.http.post("/mcp", json=body, headers=headers)


def use(service: Service, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = ask(service, "tools/call", name=tool, arguments=arguments)
    assert answer.status_code == 200
    result: dict[str, Any] = answer.json()["result"]
    return result


def code_of(result: dict[str, Any]) -> str:
    """The code of a tool's error."""
    assert result["isError"]
    code: str = json.loads(result["content"][0]["text"])["code"]
    return code


def search(tool: str, ahead: int) -> dict[str, str]:
    """The arguments of a search for the day that is so many days ahead."""
    day = some_day(ahead)
    period = {"from": day, "to": day} if tool == "price_calendar" else {"date": day}
    return {"origin": "JFK", "destination": "LAX", **period}


def test_tools_answer_over_http_and_share_one_search(service: Service) -> None:
    day = {"origin": "JFK", "destination": "LAX", "date": some_day(31)}
    period = {"origin": "JFK", "destination": "LAX", "from": some_day(31), "to": some_day(31)}

    price = use(service, "cheapest_price", **day)["structuredContent"]["data"]["price"]
    offer = use(service, "cheapest_offer", **day)["structuredContent"]["data"]["price"]
    month = use(service, "price_calendar", **period)["structuredContent"]["data"]["cheapest"]

    assert (
        price == offer == month["price"] == service.price(date=day["date"]).json()["data"]["price"]
    )
    assert len(service.log("cache.miss", date=day["date"])) == 1
    lines = [*service.log("cache.hit", path="/mcp"), *service.log("http.request", path="/mcp")]
    assert {line["tool"] for line in lines} == set(TOOLS)
    assert len(lines) == 3
    assert 'method="POST",route="/mcp",status="200"' in service.get("/metrics").text


def test_errors_of_tools_and_protocol_come_over_http(service: Service) -> None:
    told = use(service, "cheapest_price", origin="JFKK")
    unknown = ask(service, "nonsense")
    broken = service.http.post("/mcp", content=b"{", headers={"Content-Type": "application/json"})

    assert code_of(told) == "invalid-request"
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, -32601)
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, -32700)


@pytest.mark.parametrize("tool", TOOLS)
def test_each_failure_of_amadeus_is_an_error_of_each_tool(
    sandbox: SandboxServer, tool: str
) -> None:
    with Service.on(sandbox, amadeus_timeout=1, web_concurrency=1) as service:
        for number, (fault, argument, code) in enumerate(FAULTS):
            sandbox.fault("search", fault, argument)

            assert code_of(use(service, tool, **search(tool, 50 + number))) == code
    assert {code for *_, code in FAULTS} == set(UPSTREAM_ERRORS)


@pytest.mark.parametrize("tool", TOOLS)
def test_price_that_is_not_known_is_an_error_of_each_tool(service: Service, tool: str) -> None:
    assert code_of(use(service, tool, **search(tool, 49), known=True)) == "not-known"


@pytest.mark.parametrize("tool", TOOLS[:2])
def test_day_without_flights_is_an_error_of_the_tools_for_a_day(
    service: Service, tool: str
) -> None:
    nowhere = {"origin": "WIZ", "destination": "NIL"}  # a magic route of the sandbox

    assert code_of(use(service, tool, **search(tool, 49) | nowhere)) == "no-offers"


def test_status_counts_the_queries_and_errors_of_tools() -> None:
    with Service(web_concurrency=1) as service:
        use(service, TOOLS[0], origin="JFK", destination="LAX", date=some_day())
        use(service, TOOLS[1], origin="JFK", destination="LAX", date=some_day())
        use(service, TOOLS[0], origin="JFKK")

        status = service.get("/status.json").json()

    counted = status["since_start"]
    assert (counted["lookups"], counted["calls"], counted["hit_ratio"]) == (2, 1, 0.5)
    assert [(problem["code"], problem["count"]) for problem in status["problems"]] == [
        ("invalid-request", 1)
    ]


def test_key_and_limits_hold_for_tools_over_http() -> None:
    limits = {"client_rate_limit": 4, "nocache_rate_limit": 1}
    with Service(api_keys=KEY, web_concurrency=1, **limits) as service:
        day = {"origin": "JFK", "destination": "LAX", "date": some_day()}
        call = {"name": "cheapest_price", "arguments": {**day, "nocache": True}}
        without = ask(service, "tools/list")
        first, second, third = (ask(service, "tools/call", KEY, **call) for _ in range(3))
        beyond = [ask(service, "tools/list", KEY).status_code for _ in range(2)]

    results = [answer.json()["result"] for answer in (first, second, third)]
    assert without.status_code == 401
    assert [result["isError"] for result in results][-1] is True
    assert "too-many-requests" in results[-1]["content"][0]["text"]
    assert beyond == [200, 429]


def test_days_of_a_calendar_beyond_the_limit_are_missing_over_http() -> None:
    with Service(client_rate_limit=3, web_concurrency=1) as service:
        period = {"from": some_day(30), "to": some_day(33)}
        route = {"origin": "JFK", "destination": "LAX"}

        data = use(service, TOOLS[2], **route, **period)["structuredContent"]["data"]
        refused = ask(service, "tools/list")

    assert [day["departure_date"] for day in data["days"]] == [some_day(30), some_day(31)]
    assert {day["code"] for day in data["missing"]} == {"too-many-requests"}
    assert refused.status_code == 429


def test_slow_body_is_cut_off(service: Service) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        began = time.monotonic()
        client.sendall(head + b'Content-Length: 100\r\n\r\n{"jsonrpc"')

        answer = client.recv(4096)

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert 4 < time.monotonic() - began < 10
        assert ask(service, "tools/list").status_code == 200
