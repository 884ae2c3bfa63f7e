"""POST /mcp: tools, errors and limits in both revisions, and hostile messages."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from falcon.testing import Result
from jsonschema_rs import Draft202012Validator
from structlog.testing import capture_logs

from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

REVISION, EARLIER = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
JSON = {"Content-Type": "application/json"}
TOOLS = ("cheapest_price", "cheapest_offer", "price_calendar")
_days = count(40)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture
def service(running: LocalService) -> LocalService:
    """The service, with faults removed and counters reset."""
    running.clear()
    return running


def post(service: LocalService, body: object, headers: dict[str, str] | None = None) -> Result:
    """POST this body, as JSON if it is no text."""
    text = body if isinstance(body, str) else json.dumps(body)
    return service.client.simulate_post("/mcp", headers=JSON | (headers or {}), body=text)


def ask(
    service: LocalService, method: str, headers: dict[str, str] | None = None, **params: Any
) -> Result:
    """Send a request of revision 2026-07-28."""
    name = {"Mcp-Name": params["name"]} if "name" in params else {}
    mirrored = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method, **name}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    return post(service, body, mirrored | (headers or {}))


def use(
    service: LocalService, tool: str, headers: dict[str, str] | None = None, /, **arguments: Any
) -> dict[str, Any]:
    """The result of a tool for flights from JFK to LAX on a day of its own."""
    day = some_day(next(_days))
    period = {"from": day, "to": day} if tool == "price_calendar" else {"date": day}
    given = {"origin": "JFK", "destination": "LAX", **period, **arguments}
    found: dict[str, Any] = ask(service, "tools/call", headers, name=tool, arguments=given).json
    result: dict[str, Any] = found["result"]
    return result


def earlier(service: LocalService, method: str, **params: Any) -> Result:
    """Send a request of revision 2025-11-25."""
    body = {"jsonrpc": "2.0", "id": "a", "method": method, "params": params}
    return post(service, body, {"MCP-Protocol-Version": EARLIER})


def definitions(service: LocalService) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in ask(service, "tools/list").json["result"]["tools"]}


def error(result: dict[str, Any]) -> dict[str, Any]:
    assert result["isError"]
    found: dict[str, Any] = json.loads(result["content"][0]["text"])
    return found


def test_tools_are_read_only_and_have_valid_schemas(service: LocalService) -> None:
    tools = definitions(service)

    assert tuple(tools) == TOOLS
    for tool in tools.values():
        Draft202012Validator(tool["inputSchema"])  # fails if it is not a schema
        Draft202012Validator(tool["outputSchema"])
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["inputSchema"]["properties"]["known"]["type"] == "boolean"


@pytest.mark.parametrize("tool", TOOLS)
def test_arguments_and_result_of_a_tool_match_its_schemas(service: LocalService, tool: str) -> None:
    definition = definitions(service)[tool]
    arguments = {"adults": 2, "nonstop": False, "max_age": 3600}
    properties = definition["inputSchema"]["properties"]
    for name, value in arguments.items():
        Draft202012Validator(properties[name]).validate(value)

    result = use(service, tool, **arguments)

    Draft202012Validator(definition["outputSchema"]).validate(result["structuredContent"])
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert (result["isError"], result["resultType"]) == (False, "complete")
    assert result["structuredContent"]["amadeus_environment"] == "sandbox"


def test_tool_and_url_share_cache_entries(service: LocalService) -> None:
    day = some_day(next(_days))
    by_url = [service.price(date=day).json["data"], service.offer(date=day).json["data"]]

    by_tool = [use(service, tool, date=day)["structuredContent"] for tool in TOOLS[:2]]
    month = use(service, TOOLS[2], **{"from": day, "to": day})["structuredContent"]

    assert [answer["data"] for answer in by_tool] == by_url
    assert month["data"]["cheapest"]["price"] == by_url[0]["price"]
    assert (month["upstream_calls"], service.searches()) == (0, 1)


def test_known_tool_call_never_searches(service: LocalService) -> None:
    assert [error(use(service, tool, known=True))["code"] for tool in TOOLS] == ["not-known"] * 3
    assert service.searches() == 0


@pytest.mark.parametrize("tool", TOOLS)
def test_invalid_arguments_are_a_tool_error_with_every_fault(
    service: LocalService, tool: str
) -> None:
    told = error(use(service, tool, origin="JFKK", adults="ten", cabine="first"))

    assert told["code"] == "invalid-request"
    assert {item["parameter"] for item in told["errors"]} == {"origin", "adults", "cabine"}
    assert "did you mean cabin?" in told["detail"]


def test_tool_error_gives_no_advice_about_urls(service: LocalService) -> None:
    answer = ask(service, "tools/call", name=TOOLS[0], arguments={"origin": "JFK"})

    assert error(answer.json["result"])["detail"] == "destination is required; date is required"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("fault", "argument", "code"),
    [("status", "403:38197", "amadeus-misconfigured"), ("garbage", None, "amadeus-bad-answer")],
)
def test_failure_of_amadeus_is_a_tool_error(
    service: LocalService, tool: str, fault: str, argument: object, code: str
) -> None:
    service.fault("search", fault, argument)

    assert error(use(service, tool))["code"] == code


def test_search_without_offers_is_a_tool_error(service: LocalService) -> None:
    service.fault("search", "empty_list")

    assert [error(use(service, tool))["code"] for tool in TOOLS[:2]] == ["no-offers"] * 2


def test_deeply_nested_argument_is_a_tool_error(service: LocalService) -> None:
    nested = '{"": ' + "[" * 1015 + "]" * 1015 + "}"
    call = request(method="tools/call", params={"name": TOOLS[0], "arguments": {"cabin": 7}})

    answer = post(service, json.dumps(call).replace("7", nested))

    told = {item["parameter"] for item in error(answer.json["result"])["errors"]}
    assert told == {"origin", "destination", "date", "cabin"}


def test_nocache_limit_holds_for_tools_and_urls_together() -> None:
    with LocalService(nocache_rate_limit=1) as service:
        day = some_day()
        service.price(date=day)
        service.price(date=day, nocache="1")

        told = error(use(service, TOOLS[0], date=day, nocache=True))

        assert told["code"] == "too-many-requests"
        assert 0 < told["retry_after"] <= 60


def test_days_of_a_calendar_tool_count_as_requests() -> None:
    with LocalService(client_rate_limit=2) as service:
        period = {"from": some_day(1), "to": some_day(2)}

        data = use(service, TOOLS[2], **period)["structuredContent"]["data"]

        assert [day["code"] for day in data["missing"]] == ["too-many-requests"]
        assert len(data["days"]) == 1


def test_message_beyond_the_client_limit_gets_429() -> None:
    with LocalService(client_rate_limit=1) as service:
        statuses = [ask(service, "tools/list").status_code for _ in range(2)]

        assert statuses == [200, 429]


def test_key_of_a_client_opens_the_tools() -> None:
    with LocalService(api_keys="the-key-of-the-client") as service:
        key = {"Authorization": "Bearer the-key-of-the-client"}

        assert ask(service, "tools/list").status_code == 401
        assert not use(service, TOOLS[0], key)["isError"]


def test_discovery_names_revisions_and_capabilities(service: LocalService) -> None:
    result = ask(service, "server/discover").json["result"]

    assert result["supportedVersions"] == [REVISION, EARLIER, "2025-06-18"]
    assert result["capabilities"] == {"tools": {}}
    assert (result["ttlMs"], result["cacheScope"]) == (300_000, "public")
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "flight-price-api"


def test_client_that_begins_with_initialize_is_answered_without_a_session(
    service: LocalService,
) -> None:
    begun = earlier(service, "initialize", protocolVersion=EARLIER)
    noted = post(service, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    arguments = {"origin": "JFK", "destination": "LAX", "date": some_day()}
    called = earlier(service, "tools/call", name=TOOLS[0], arguments=arguments)

    assert begun.json["result"]["protocolVersion"] == EARLIER
    assert "Mcp-Session-Id" not in begun.headers
    assert (noted.status_code, noted.text) == (202, "")
    assert called.json["result"]["structuredContent"]["data"]["price"]
    assert earlier(service, "ping").json == {"jsonrpc": "2.0", "id": "a", "result": {}}


@pytest.mark.parametrize(
    ("asked", "told"), [("2025-06-18", "2025-06-18"), ("1999-01-01", EARLIER), (REVISION, EARLIER)]
)
def test_initialize_offers_the_newest_revision_if_it_does_not_know_the_other(
    service: LocalService, asked: str, told: str
) -> None:
    answer = earlier(service, "initialize", protocolVersion=asked)

    assert answer.json["result"]["protocolVersion"] == told


def test_error_of_an_earlier_revision_has_status_200(service: LocalService) -> None:
    unknown = earlier(service, "prompts/list")
    no_tool = earlier(service, "tools/call", name="none")

    assert (unknown.status_code, unknown.json["error"]["code"]) == (200, -32601)
    assert (no_tool.status_code, no_tool.json["error"]["code"]) == (200, -32602)


def request(**members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "ping", **members}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, -32700),
        ("{", 400, -32700),
        ('{"id": NaN}', 400, -32700),
        ("[" * 8000, 400, -32700),
        ("[" * 8000 + "]" * 8000, 400, -32700),
        ("null", 400, -32600),
        ("7", 400, -32600),
        ([], 400, -32600),
        ([request()], 400, -32600),
        ({}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
        (request(jsonrpc="1.0"), 400, -32600),
        (request(jsonrpc=2.0), 400, -32600),
        (request(method=7), 400, -32600),
        (request(id=None), 400, -32600),
        (request(id=1.5), 400, -32600),
        (request(id=True), 400, -32600),
        (request(id=[1]), 400, -32600),
        (request(id=2**70), 400, -32600),
        (request(params=[1]), 400, -32602),
        (request(params=None), 400, -32602),
        (request(method="tools/call"), 200, -32602),
        (request(method="tools/call", params={"name": []}), 200, -32602),
        (request(method="tools/call", params={"name": TOOLS[0], "arguments": [1]}), 200, -32602),
        (request(method="__init__"), 200, -32601),
    ],
)
def test_hostile_message_gets_the_error_of_the_specification(
    service: LocalService, body: object, status: int, code: int
) -> None:
    answer = post(service, body)

    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert answer.json["jsonrpc"] == "2.0"
    assert answer.json.get("id", 1) == 1
    assert len(answer.text) < 300


HOSTILE = {
    "batch": [request()] * 80,
    "nesting": "[" * 4000,
    "long id": request(id="x" * 3900),
    "long number": json.dumps(request()).replace("1,", "9" * 3900 + ","),
    "many members": request(params={f"k{number}": number for number in range(280)}),
    "many arguments": request(
        method="tools/call",
        params={"name": TOOLS[0], "arguments": {f"p{number}": 1 for number in range(280)}},
    ),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_message_takes_no_longer_than_a_bad_url(
    service: LocalService, body: object
) -> None:
    unknown: dict[str, Any] = {f"p{number}": "1" for number in range(280)}

    bad_url = least_time(lambda: service.get("/flights/price", **unknown))

    assert least_time(lambda: post(service, body)) < 1.5 * bad_url


def least_time(call: Callable[[], object]) -> float:
    """The shortest processor time of this call, in seconds."""
    times = []
    for _ in range(30):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def test_id_comes_back_unchanged(service: LocalService) -> None:
    for identity in ("", "ü" * 3000, 0, -1, 2**63):
        assert post(service, request(id=identity)).json["id"] == identity


def test_notification_is_accepted_and_not_answered(service: LocalService) -> None:
    for method in ("notifications/cancelled", "tools/call", "nonsense"):
        answer = post(service, {"jsonrpc": "2.0", "method": method})

        assert (answer.status_code, answer.text) == (202, "")
    assert service.searches() == 0


@pytest.mark.parametrize(
    ("headers", "meta", "code"),
    [
        ({"MCP-Protocol-Version": EARLIER}, META, -32020),
        ({"Mcp-Method": "tools/call"}, META, -32020),
        ({"Mcp-Method": "TOOLS/LIST"}, META, -32020),
        ({}, None, -32602),
        ({}, {}, -32602),
        ({}, {"io.modelcontextprotocol/protocolVersion": REVISION}, -32602),
        ({}, META | {"io.modelcontextprotocol/protocolVersion": ["x"]}, -32602),
        (
            {"MCP-Protocol-Version": "1999-01-01"},
            META | {"io.modelcontextprotocol/protocolVersion": "1999-01-01"},
            -32022,
        ),
    ],
)
def test_header_and_body_must_agree(
    service: LocalService, headers: dict[str, str], meta: object, code: int
) -> None:
    mirrored = {"MCP-Protocol-Version": REVISION, "Mcp-Method": "tools/list", **headers}

    answer = post(service, request(method="tools/list", params={"_meta": meta}), mirrored)

    assert (answer.status_code, answer.json["error"]["code"], answer.json["id"]) == (400, code, 1)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("=?base64?Y2hlYXBlc3RfcHJpY2U=?=", 200),
        ("=?base64?!?=", 400),
        ("=?base64?/w==?=", 400),
        ("cheapest_offer", 400),
    ],
)
def test_name_of_the_tool_may_be_encoded_in_its_header(
    service: LocalService, name: str, status: int
) -> None:
    arguments = {"origin": "JFK", "destination": "LAX", "date": some_day()}

    answer = ask(service, "tools/call", {"Mcp-Name": name}, name=TOOLS[0], arguments=arguments)

    assert answer.status_code == status


def test_unknown_revision_gets_the_supported_ones(service: LocalService) -> None:
    answer = post(service, request(), {"MCP-Protocol-Version": "1999-01-01"})

    assert answer.status_code == 400
    assert answer.json["error"]["data"] == {
        "supported": [REVISION, EARLIER, "2025-06-18"],
        "requested": "1999-01-01",
    }


def test_unknown_method_gets_404_in_the_new_revision(service: LocalService) -> None:
    for method in ("initialize", "ping", "resources/list", "nonsense"):
        answer = ask(service, method)

        assert (answer.status_code, answer.json["error"]["code"]) == (404, -32601)


def test_media_type_other_than_json_gets_415(service: LocalService) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        assert post(service, request(), {"Content-Type": media_type}).status_code == 415


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_method_other_than_post_gets_405(service: LocalService, method: str) -> None:
    answer = service.client.simulate_request(method, "/mcp")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8080", "http://localhost:8080", 200),
        ("[::1]:8080", "http://[::1]:8080", 200),
        ("localhost:8080", "http://localhost:3000", 403),
        ("evil.example:8080", "http://evil.example:8080", 403),
        ("localhost:8080", "http://evil.example", 403),
        ("localhost:8080", "http://localhost.evil.example:8080", 403),
        ("localhost:8080", "null", 403),
        ("localhost:8080", "http://[", 403),
    ],
)
def test_web_page_of_another_origin_gets_403(
    service: LocalService, host: str, origin: str, status: int
) -> None:
    answer = post(service, request(), {"Host": host, "Origin": origin})

    assert answer.status_code == status


@pytest.mark.parametrize(("allowed", "status"), [("https://app.example", 200), ("*", 200)])
def test_origin_of_cors_origins_may_use_the_tools(allowed: str, status: int) -> None:
    with LocalService(cors_origins=allowed) as service:
        headers = {"Host": "api.example", "Origin": "https://app.example"}

        assert post(service, request(), headers).status_code == status


def test_answer_is_never_stored(service: LocalService) -> None:
    arguments = {"origin": "JFK", "destination": "LAX", "date": some_day()}
    answers = [
        ask(service, "tools/call", name=TOOLS[0], arguments=arguments),
        ask(service, "tools/list"),
        ask(service, "nonsense"),
    ]

    assert [answer.headers["Cache-Control"] for answer in answers] == ["no-store"] * 3


def test_message_is_one_log_line_with_its_tool(service: LocalService) -> None:
    day = some_day(next(_days))
    use(service, TOOLS[0], date=day)

    with capture_logs() as record:
        use(service, TOOLS[0], date=day)
        use(service, TOOLS[2], **{"from": day, "to": day})
        ask(service, "tools/list")

    assert [(line["event"], line["path"], line.get("tool")) for line in record] == [
        ("cache.hit", "/mcp", TOOLS[0]),
        ("http.request", "/mcp", TOOLS[2]),
        ("http.request", "/mcp", None),
    ]


def test_metrics_count_messages_and_errors_of_tools() -> None:
    with LocalService() as service:
        use(service, TOOLS[0])
        use(service, TOOLS[0], origin="JFKK")
        ask(service, "nonsense")

        metrics = service.get("/metrics").text

    for status, number in (("200", 2), ("404", 1)):
        labels = f'{{method="POST",route="/mcp",status="{status}"}}'
        assert f"flight_price_http_request_duration_seconds_count{labels} {number}.0" in metrics
    assert 'flight_price_cache_lookups_total{outcome="miss"} 1.0' in metrics
    assert 'flight_price_problems_total{code="invalid-request"} 2.0' in metrics


def test_status_counts_the_queries_and_errors_of_tools() -> None:
    with LocalService() as service:
        day = some_day()
        for tool in TOOLS[:2]:
            use(service, tool, date=day)
        use(service, TOOLS[0], origin="JFKK")

        status = service.get("/status.json").json

    counted = status["since_start"]
    assert (counted["lookups"], counted["calls"], counted["hit_ratio"]) == (2, 1, 0.5)
    assert [(problem["code"], problem["count"]) for problem in status["problems"]] == [
        ("invalid-request", 1)
    ]
