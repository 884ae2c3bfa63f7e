"""Every answer is one that the official OpenAPI files describe."""

import pytest

from tests import openapi
from tests.sandbox_client import AHEAD, JFK_TO_LAX, TOKEN, InProcess, body

SEARCH_TYPE = "application/vnd.amadeus+json"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"returnDate": "2026-12-17"},
        {"adults": 3, "children": 2, "infants": 1, "currencyCode": "JPY"},
        {"originLocationCode": "PAR", "destinationLocationCode": "NYC"},
        {"originLocationCode": "HIR", "destinationLocationCode": "LYR"},
    ],
    ids=["one way", "return", "family", "cities", "no flights"],
)
def test_a_search_answers_as_specified(honest: InProcess, changes: dict[str, object]) -> None:
    answer = honest.search(max=20, **changes)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert openapi.faults("search", openapi.search_schema("get", 200), answer.json()) == []


def test_a_posted_search_answers_as_specified(honest: InProcess) -> None:
    answer = honest.post(body(("JFK", "LAX", AHEAD), ("LAX", "SFO", "2026-12-12")))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert openapi.faults("search", openapi.search_schema("post", 200), answer.json()) == []


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (425, {"departureDate": "2020-01-01"}),
        (477, {"adults": 0}),
        (2668, {"infants": 2}),
        (4926, {"originLocationCode": "QQQ"}),
        (10661, {"children": 9}),
        (32171, {"adults": None}),
    ],
)
def test_each_documented_400_is_given_as_specified(
    honest: InProcess, code: int, changes: dict[str, object]
) -> None:
    answer = honest.search(**changes)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert [error["code"] for error in answer.json()["errors"]] == [code]
    assert openapi.faults("search", openapi.search_schema("get", 400), answer.json()) == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_all_other_errors_have_the_default_form(sandbox: InProcess, status: int) -> None:
    sandbox.fault("search", "status", status)
    answer = sandbox.search()
    assert answer.status_code == status
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert openapi.faults("search", openapi.search_schema("get", status), answer.json()) == []


def test_the_default_error_is_a_system_error(sandbox: InProcess) -> None:
    sandbox.fault("search", "status", 500)
    item = {"status": 500, "code": 141, "title": "SYSTEM ERROR HAS OCCURRED"}
    assert sandbox.search().json() == {"errors": [item]}


@pytest.mark.parametrize("token", ["", "Basic abc", "Bearer", "Bearer none-of-ours"])
def test_a_search_without_a_token_is_refused_as_specified(honest: InProcess, token: str) -> None:
    answer = honest.http.get("/v2/shopping/flight-offers", headers={"Authorization": token})
    assert answer.status_code == 401
    assert openapi.faults("search", openapi.search_schema("get", 401), answer.json()) == []


def test_a_token_is_given_as_specified(honest: InProcess) -> None:
    answer = honest.ask_token()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert openapi.faults("token", openapi.token_schema(200), answer.json()) == []


def test_a_token_is_described_as_specified(honest: InProcess) -> None:
    answer = honest.http.get(f"{TOKEN}/{honest.token}")
    schema = openapi.token_schema(200, "/security/oauth2/token/{access_token}", "get")
    assert answer.headers["content-type"] == "application/json"
    assert openapi.faults("token", schema, answer.json()) == []


@pytest.mark.parametrize("status", [401, 500])
def test_token_errors_have_the_form_that_is_specified(sandbox: InProcess, status: int) -> None:
    sandbox.fault("token", "status", status)
    answer = sandbox.ask_token()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert openapi.faults("token", openapi.token_schema(status), answer.json()) == []


def test_an_unknown_token_is_a_404_as_specified(honest: InProcess) -> None:
    answer = honest.http.get(f"{TOKEN}/unknown")
    schema = openapi.token_schema(404, "/security/oauth2/token/{access_token}", "get")
    assert answer.status_code == 404
    assert openapi.faults("token", schema, answer.json()) == []


def test_the_answer_links_to_itself(honest: InProcess) -> None:
    answer = honest.search(max=1)
    assert answer.json()["meta"]["links"]["self"] == str(answer.request.url)
    assert answer.json()["meta"]["count"] == 1


def test_the_check_itself_sees_what_is_wrong(honest: InProcess) -> None:
    content = honest.search(max=1).json()
    content["data"][0]["price"]["total"] = 1
    content["data"][0]["surprise"] = 1
    assert openapi.faults("search", openapi.search_schema("get", 200), content) == [
        "$.data[0].price.total: 1 is not of type 'string'",
        "$.data[0].surprise: not in the specification",
    ]


def test_the_parameters_are_the_specified_ones() -> None:
    parameters = openapi.spec("search")["paths"]["/shopping/flight-offers"]["get"]["parameters"]
    required = {one["name"] for one in parameters if one["required"]}
    assert required == set(JFK_TO_LAX)
