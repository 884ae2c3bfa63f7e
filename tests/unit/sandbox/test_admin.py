"""The admin URLs: off by default, strict about their input, and correct in their counts."""

from typing import Any

import httpx2
import pytest

from sandbox import SandboxConfig, create_app
from tests.support.clients.sandbox_client import InProcess, body


@pytest.mark.parametrize("path", ["counters", "faults", "settings", "tokens/revoke"])
def test_admin_url_does_not_exist_by_default(path: str) -> None:
    transport = httpx2.WSGITransport(app=create_app(SandboxConfig()))
    with httpx2.Client(transport=transport, base_url="http://sandbox") as http:
        assert http.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([], "must be a JSON object"),
        ({}, "leg must be a non-empty string"),
        ({"leg": "search"}, "fault must be a non-empty string"),
        ({"leg": "search", "fault": "explode"}, "unknown fault"),
        ({"leg": "wing", "fault": "reset"}, "leg must be token or search"),
        ({"leg": "search", "fault": "status", "arg": [1]}, "arg must be a number or a string"),
        ({"leg": "search", "fault": "status", "arg": True}, "arg must be a number or a string"),
        ({"leg": "search", "fault": "reset", "count": 0}, "count"),
        ({"leg": "search", "fault": "reset", "count": "2"}, "count"),
        ({"leg": "search", "fault": "reset", "origin": 1}, "origin must be a non-empty string"),
        ({"leg": "search", "fault": "reset", "origin": "jfk"}, "codes like JFK"),
        ({"leg": "token", "fault": "reset", "origin": "JFK"}, "search leg"),
        ({"leg": "search", "fault": "reset", "speed": 1}, "unknown field 'speed'"),
    ],
)
def test_invalid_fault_is_refused_with_a_reason(
    sandbox: InProcess, wrong: object, reason: str
) -> None:
    answer = sandbox.http.put("/admin/faults", json=wrong)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert sandbox.http.get("/admin/faults").json() == {"faults": []}


def test_non_json_body_is_refused_with_a_reason(sandbox: InProcess) -> None:
    answer = sandbox.http.put("/admin/settings", content=b"\xff{")
    assert answer.status_code == 400
    assert "must be JSON" in answer.json()["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_life": 0},
        {"token_life": "60"},
        {"token_life": True},
        {"token_life": 10**12},
        {"quota": -1},
        {"quota": 10**23},
        {"rate_limit": "some"},
        {"latency": "slow"},
        {"latency": "lognormal:9,1"},
        {"latency": None},
        {"latency": 1e300},
        {"latency": "lognormal:1,1e300"},
        {"colour": "blue"},
        {"token_life": 60, "quota": "x"},
    ],
)
def test_invalid_settings_are_refused_and_change_nothing(
    sandbox: InProcess, wrong: dict[str, Any]
) -> None:
    before = sandbox.http.get("/admin/settings").json()
    answer = sandbox.http.put("/admin/settings", json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sandbox.http.get("/admin/settings").json() == before


def test_settings_can_be_changed(sandbox: InProcess) -> None:
    wanted = {"token_life": 60, "rate_limit": "test", "quota": 5, "latency": "lognormal:1,2"}
    assert sandbox.http.put("/admin/settings", json=wanted).json() == wanted
    assert sandbox.ask_token().json()["expires_in"] == 60


@pytest.mark.parametrize(
    "wrong", [{"code": 1}, {"code": 38193.0}, {"code": "38192"}, {"cod": 38192}]
)
def test_invalid_revocation_is_refused(sandbox: InProcess, wrong: dict[str, Any]) -> None:
    assert sandbox.http.post("/admin/tokens/revoke", json=wrong).status_code == 400
    assert sandbox.search(max=1).status_code == 200


def test_faults_are_listed_and_cleared(sandbox: InProcess) -> None:
    sandbox.fault("search", "hang", 5, count=2, origin="JFK")
    assert sandbox.http.get("/admin/faults").json()["faults"] == [
        {
            "leg": "search",
            "fault": "hang",
            "arg": "5",
            "count": 2,
            "origin": "JFK",
            "destination": None,
        }
    ]
    assert sandbox.http.delete("/admin/faults").status_code == 204
    assert sandbox.http.get("/admin/faults").json() == {"faults": []}


def test_calls_are_counted_by_leg_and_search(sandbox: InProcess) -> None:
    sandbox.search(max=1)
    sandbox.search(max=2)
    sandbox.post(body(("LAX", "JFK", "2026-12-11")))
    counters = sandbox.counters()
    assert counters["token"] == {"calls": 1, "refused": 0}
    assert counters["search"] == {
        "calls": 3,
        "refused": 0,
        "by_search": {"JFK-LAX-2026-12-10": 2, "LAX-JFK-2026-12-11": 1},
    }
    assert counters["max_concurrent"] == 1


def test_refusals_are_counted_by_code(sandbox: InProcess) -> None:
    sandbox.search(adults=0, max=0)
    sandbox.fault("search", "status", 429, count=1)
    sandbox.search()
    sandbox.ask_token(client_id="")
    counters = sandbox.counters()
    assert counters["refusals"] == {"477": 2, "38194": 1, "38187": 1}
    assert (counters["search"]["refused"], counters["token"]["refused"]) == (2, 1)


def test_call_with_a_fault_is_counted(sandbox: InProcess) -> None:
    assert sandbox.token
    sandbox.fault("search", "reset")
    with pytest.raises(ConnectionResetError):
        sandbox.search()
    assert sandbox.counters()["search"]["calls"] == 1


def test_counters_can_be_cleared(sandbox: InProcess) -> None:
    sandbox.search(max=1)
    assert sandbox.http.delete("/admin/counters").status_code == 204
    assert sandbox.counters() == {
        "token": {"calls": 0, "refused": 0},
        "search": {"calls": 0, "refused": 0, "by_search": {}},
        "connections": {"opened": 0, "open": 0},
        "refusals": {},
        "max_concurrent": 0,
    }


def test_unreadable_search_is_counted_too(sandbox: InProcess) -> None:
    assert sandbox.token
    for nonsense in ("", "[]", '{"originDestinations": [1]}', '{"originDestinations": 1}'):
        assert sandbox.post(nonsense).status_code == 400
    assert sandbox.counters()["search"]["by_search"] == {"?-?-?": 4}


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_unsupported_methods_are_refused(sandbox: InProcess, method: str) -> None:
    assert sandbox.http.request(method, "/v2/shopping/flight-offers").status_code == 405
    assert sandbox.http.request(method, "/admin/settings").status_code == 405


def test_unknown_path_is_an_unknown_resource(sandbox: InProcess) -> None:
    answer = sandbox.http.get("/v2/shopping/hotels")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == 38196
