"""POST /mcp over HTTP: its tools, errors, log and metrics, and slow bodies."""

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


def ask(service: Service, method: str, **params: Any) -> httpx2.Response:
    headers = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method}
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


def test_each_failure_of_amadeus_is_an_error_of_each_tool(sandbox: SandboxServer) -> None:
    with Service.on(sandbox, amadeus_timeout=1, web_concurrency=1) as service:
        for number, (fault, argument, code) in enumerate(FAULTS):
            assert service.price(date=some_day(40 + number)).is_success  # the circuit is closed
            sandbox.fault("search", fault, argument)

            told = [code_of(use(service, tool, **search(tool, 50 + number))) for tool in TOOLS]

            assert told == [code] * len(TOOLS)
            sandbox.clear()
    assert {code for *_, code in FAULTS} == set(UPSTREAM_ERRORS)


def test_slow_body_is_cut_off(service: Service) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        began = time.monotonic()
        client.sendall(head + b'Content-Length: 100\r\n\r\n{"jsonrpc"')

        answer = client.recv(4096)

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert 4 < time.monotonic() - began < 10
        assert ask(service, "tools/list").status_code == 200
