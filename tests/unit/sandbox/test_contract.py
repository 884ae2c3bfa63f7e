"""Every answer matches its schema.

`make contract SPEC=<folder>` also checks the answers against Amadeus's own OpenAPI files.
"""

from collections.abc import Iterator

import pytest

from tests.contract import schemas
from tests.contract.answers import violations
from tests.contract.schemas import OPERATIONS, Json, Operation
from tests.support.clients.sandbox_client import AHEAD, SEARCH, TOKEN, InProcess, body

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
def test_search_answer_matches_its_schema(honest: InProcess, changes: dict[str, object]) -> None:
    answer = honest.search(max=20, **changes)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert violations("search", answer) == []


def test_posted_search_answer_matches_its_schema(honest: InProcess) -> None:
    answer = honest.post(body(("JFK", "LAX", AHEAD), ("LAX", "SFO", "2026-12-12")))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert violations("posted search", answer) == []


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
def test_documented_400_answers_match_their_schema(
    honest: InProcess, code: int, changes: dict[str, object]
) -> None:
    answer = honest.search(**changes)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert [error["code"] for error in answer.json()["errors"]] == [code]
    assert violations("search", answer) == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_undocumented_errors_have_the_default_form(sandbox: InProcess, status: int) -> None:
    sandbox.fault("search", "status", status)
    answer = sandbox.search()
    assert answer.status_code == status
    assert answer.headers["content-type"] == SEARCH_TYPE
    assert violations("search", answer) == []


def test_default_error_is_a_system_error(sandbox: InProcess) -> None:
    sandbox.fault("search", "status", 500)
    item = {"status": 500, "code": 141, "title": "SYSTEM ERROR HAS OCCURRED"}
    assert sandbox.search().json() == {"errors": [item]}


@pytest.mark.parametrize("token", ["", "Basic abc", "Bearer", "Bearer none-of-ours"])
def test_refusal_of_a_search_without_a_token_matches_its_schema(
    honest: InProcess, token: str
) -> None:
    answer = honest.http.get("/v2/shopping/flight-offers", headers={"Authorization": token})
    assert answer.status_code == 401
    assert violations("search", answer) == []


def test_token_answer_matches_its_schema(honest: InProcess) -> None:
    answer = honest.ask_token()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert violations("token", answer) == []


def test_token_description_matches_its_schema(honest: InProcess) -> None:
    answer = honest.http.get(f"{TOKEN}/{honest.token}")
    assert answer.headers["content-type"] == "application/json"
    assert violations("token description", answer) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_token_errors_match_their_schema(sandbox: InProcess, status: int) -> None:
    sandbox.fault("token", "status", status)
    answer = sandbox.ask_token()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert violations("token", answer) == []


def test_unknown_token_is_a_404_that_matches_its_schema(honest: InProcess) -> None:
    answer = honest.http.get(f"{TOKEN}/unknown")
    assert answer.status_code == 404
    assert violations("token description", answer) == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/unknown"), ("PUT", SEARCH)])
def test_request_that_reaches_no_operation_gets_a_list_of_errors(
    honest: InProcess, method: str, path: str
) -> None:
    answer = honest.http.request(method, path)
    assert answer.status_code in {404, 405}
    assert violations("search", answer) == []


def test_search_answer_links_to_itself(honest: InProcess) -> None:
    answer = honest.search(max=1)
    assert answer.json()["meta"]["links"]["self"] == str(answer.request.url)
    assert answer.json()["meta"]["count"] == 1


EXAMPLES = [
    pytest.param(operation, status, id=f"{operation} {status}")
    for operation in OPERATIONS
    for status in (200, 400, 401, 404, 429, 500)
]


def unshown(schema: Json, contents: list[Json], path: str = "$") -> Iterator[str]:
    """The properties of a schema that no example has."""
    for name, part in schema.get("properties", {}).items():
        values = [content[name] for content in contents if name in content]
        if not values:
            yield f"{path}.{name}"
        yield from unshown(part, values, f"{path}.{name}")
    if "items" in schema:
        yield from unshown(schema["items"], [one for content in contents for one in content], path)
    for part in schema.get("patternProperties", {}).values():
        yield from unshown(part, [one for content in contents for one in content.values()], path)
    branches = [schema[name] for name in ("then", "else") if name in schema]
    for part in [*schema.get("oneOf", []), *branches]:
        yield from unshown(part, contents, path)


@pytest.mark.parametrize(("operation", "status"), EXAMPLES)
def test_examples_of_a_schema_are_valid_and_show_every_property(
    operation: Operation, status: int
) -> None:
    schema = schemas.schema(operation, status)
    for example in schema["examples"]:
        assert schemas.violations(operation, status, example) == []
    assert list(unshown(schema, schema["examples"])) == []


def test_schema_names_each_violation(honest: InProcess) -> None:
    content = honest.search(max=1).json()
    content["data"][0]["price"]["total"] = 1
    content["data"][0]["surprise"] = 1
    del content["data"][0]["itineraries"][0]["segments"][0]["carrierCode"]
    found = " ".join(schemas.violations("search", 200, content))
    for violation in (
        '$.data[0].price.total: 1 is not of type "string"',
        "'surprise' was unexpected",
        '$.data[0].itineraries[0].segments[0]: "carrierCode" is a required property',
    ):
        assert violation in found
