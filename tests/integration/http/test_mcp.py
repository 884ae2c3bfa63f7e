"""POST /mcp over HTTP: its tools, limits, log and metrics, and slow bodies."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.servers.service import Service, some_day

REVISION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
KEY = "the-key-of-the-client"


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
    assert {line["tool"] for line in lines} == {
        "cheapest_price",
        "cheapest_offer",
        "price_calendar",
    }
    assert len(lines) == 3
    assert 'route="/mcp",status="200"' in service.get("/metrics").text


def test_errors_of_tools_and_protocol_come_over_http(service: Service) -> None:
    told = use(service, "cheapest_price", origin="JFKK")
    unknown = ask(service, "nonsense")
    broken = service.http.post("/mcp", content=b"{", headers={"Content-Type": "application/json"})

    assert told["isError"]
    assert json.loads(told["content"][0]["text"])["code"] == "invalid-request"
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, -32601)
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, -32700)


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


def test_slow_body_is_cut_off(service: Service) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        began = time.monotonic()
        client.sendall(head + b'Content-Length: 100\r\n\r\n{"jsonrpc"')

        answer = client.recv(4096)

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert 4 < time.monotonic() - began < 10
        assert ask(service, "tools/list").status_code == 200
