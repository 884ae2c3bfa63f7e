"""Our schemas and the sandbox agree with the OpenAPI files that Amadeus published.

`make contract SPEC=<folder>` runs this, and the unit tests of the sandbox, which then check every
answer against both.
"""

import pytest

from tests.contract import official, schemas
from tests.contract.schemas import OPERATIONS, Operation
from tests.support.clients.sandbox_client import JFK_TO_LAX, InProcess

pytestmark = pytest.mark.contract

STATUSES = {
    "search": (200, 400, 401, 403, 404, 429, 500, 503),
    "bridged search": (200, 400, 401, 403, 404, 429, 500, 503),
    "bridged posted search": (200, 400, 401, 403, 404, 429, 500, 503),
    "posted search": (200, 400, 401, 403, 404, 429, 500, 503),
    "token": (200, 401, 500),
    "token description": (200, 404),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_examples_of_our_schemas_match_the_official_files(operation: Operation) -> None:
    for status in STATUSES[operation]:
        assert official.schema(operation, status) is not None
        for example in schemas.schema(operation, status)["examples"]:
            assert official.violations(operation, status, example) == []


def test_official_file_reports_each_violation() -> None:
    content = InProcess().search(max=1).json()
    content["data"][0]["price"]["total"] = 1
    content["data"][0]["surprise"] = 1
    assert official.violations("search", 200, content) == [
        "$.data[0].price.total: 1 is not of type 'string'",
        "$.data[0].surprise: not in the file",
    ]


def test_required_parameters_match_the_official_file() -> None:
    required = {one["name"] for one in official.parameters() if one["required"]}
    assert required == set(JFK_TO_LAX)


def test_sandbox_checks_each_official_parameter() -> None:
    sandbox = InProcess()
    for one in official.parameters():
        answer = sandbox.search(**{one["name"]: "?"})
        assert answer.status_code == 400
        assert {error["source"]["parameter"] for error in answer.json()["errors"]} == {one["name"]}
