"""/openapi.json describes the real behaviour of the service."""

import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from falcon.inspect import inspect_routes
from jsonschema_rs import Draft202012Validator

from api import errors
from api.app import create_app
from api.models import PriceRequest
from api.serving import worker
from api.settings import Settings
from tests.support.clients.in_process import LocalService

ROOT = Path(__file__).resolve().parents[4]
API_PAGE = (ROOT / "docs" / "api.md").read_text()
CLIENT, OPERATOR = "the-key-of-the-client", "the-key-of-the-operator"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture(scope="module")
def keyed() -> Iterator[LocalService]:
    with LocalService(api_keys=CLIENT, operator_keys=OPERATOR) as service:
        yield service


@pytest.fixture(scope="module")
def document(service: LocalService) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/openapi.json").json
    return found


def test_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")


def test_documented_parameters_have_limits_and_an_example(document: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/flights/price"]["get"]["parameters"]
        if parameter["in"] == "query"
    }

    assert list(parameters) == list(PriceRequest.model_fields)
    for name, parameter in parameters.items():
        assert {"pattern", "format", "enum", "maximum"} & parameter["schema"].keys(), name
        assert parameter["schema"]["examples"], name


def test_documented_examples_get_a_price(service: LocalService, document: dict[str, Any]) -> None:
    examples = {
        parameter["name"]: parameter["example"]
        for parameter in document["paths"]["/flights/price"]["get"]["parameters"]
        if "example" in parameter
    }

    assert service.get("/flights/price", **examples).status_code == 200


def test_document_lists_every_error_with_its_code(document: dict[str, Any]) -> None:
    told = codes(document, document["paths"]["/flights/price"]["get"]["responses"])
    told |= codes(document, document["paths"]["/flights/calendar"]["get"]["responses"])

    assert told >= {(error.status.value, error.code) for error in leaves(errors.FlightPriceError)}
    assert told >= {(405, "method-not-allowed"), (500, "internal-error")}


def test_document_lists_every_error_of_the_errors_page(document: dict[str, Any]) -> None:
    told = all_codes(document)

    table = re.findall(r"^\| ((?:\d{3},? ?)+) \| ([^|]+) \|", API_PAGE, re.MULTILINE)
    for statuses, names in table:
        named = cycle(re.findall("[a-z-]+", names))
        assert told >= {(int(status), next(named)) for status in statuses.split(", ")}
    assert len(table) > 10


def all_codes(document: dict[str, Any]) -> set[tuple[int, str]]:
    """The status and code of each error that is anywhere in the document."""
    # No operation answers for a path that does not exist, so the introduction has its error.
    introduced = re.search(
        r"gets (\d{3}) with the code `([a-z-]+)`", document["info"]["description"]
    )
    assert introduced
    told = codes(document, document["components"]["responses"])
    for path in document["paths"].values():
        told |= codes(document, path["get"]["responses"])
    return told | {(int(introduced[1]), introduced[2])}


def codes(document: dict[str, Any], responses: dict[str, Any]) -> set[tuple[int, str]]:
    """The status and code of each documented error."""
    common = document["components"]["responses"]
    return {
        (int(status), code)
        for status, response in responses.items()
        for content in (common[status] if "$ref" in response else response)
        .get("content", {})
        .values()
        for code in content.get("examples", ())
    }


@pytest.mark.parametrize("key", [CLIENT, OPERATOR, "the-key-of-nobody"])
def test_document_says_what_each_key_opens(
    keyed: LocalService, document: dict[str, Any], key: str
) -> None:
    for path, operations in document["paths"].items():
        answer = keyed.get(path, {"X-API-Key": key})
        told = operations["get"]["responses"][str(answer.status_code)]
        is_refused = answer.status_code in (401, 403)

        assert not is_refused or answer.json["code"] in told["description"], path
        assert not is_refused or operations["get"]["security"], path


def test_operation_without_security_is_open_to_anybody(
    keyed: LocalService, document: dict[str, Any]
) -> None:
    for path, operations in document["paths"].items():
        is_refused = keyed.get(path).status_code == 401

        assert is_refused == bool(operations["get"]["security"]), path


def test_every_error_has_the_one_problem_schema(document: dict[str, Any]) -> None:
    common = document["components"]["responses"]
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, operations in document["paths"].items():
        for status, response in operations["get"]["responses"].items():
            # The answer of a worker that is not ready is no problem document.
            if status >= "400" and (path, status) != ("/readyz", "503"):
                content = (common[status] if "$ref" in response else response)["content"]

                assert [*content] == [errors.PROBLEM_MEDIA_TYPE], (path, status)
                assert content[errors.PROBLEM_MEDIA_TYPE]["schema"] == problem, (path, status)


def test_problem_schema_lists_every_code(document: dict[str, Any]) -> None:
    listed = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]

    assert {code for _, code in all_codes(document)} == {*listed}


def test_documented_examples_match_their_schemas(document: dict[str, Any]) -> None:
    found = [*examples(document)]

    assert len(found) > 50
    for schema, example in found:
        # A reference begins at the root, so the root has the components.
        whole = {"components": document["components"], **schema}
        Draft202012Validator(whole, validate_formats=True).validate(example)


def examples(part: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each example of the document, after the schema that it belongs to."""
    match part:
        case {"schema": schema, "examples": dict(named)}:
            yield from ((schema, example["value"]) for example in named.values())
        case {"schema": schema, "example": example}:
            yield schema, example
        case {"examples": list(listed)}:
            yield from ((part, example) for example in listed)
    if isinstance(part, dict | list):
        for item in part.values() if isinstance(part, dict) else part:
            yield from examples(item)


def test_document_has_the_malformed_http_errors_on_every_path(document: dict[str, Any]) -> None:
    befalls = {str(status.value) for status in worker._STATUSES.values()} | {"400"}  # noqa: SLF001

    for path, operations in document["paths"].items():
        assert operations["get"]["responses"].keys() >= befalls, path


def test_document_has_every_route_except_page_assets(document: dict[str, Any]) -> None:
    routed = {route.path for route in inspect_routes(create_app(Settings())._wsgi)}  # noqa: SLF001

    assets = {path for path in routed if path.endswith((".css", ".js"))}
    # Its protocol has its own description of tools and arguments.
    assert {*document["paths"]} == routed - assets - {"/mcp"}
    assert "/mcp" in document["info"]["description"]


def leaves(error: type[errors.FlightPriceError]) -> Iterator[type[errors.FlightPriceError]]:
    if not error.__subclasses__():
        yield error
    for child in error.__subclasses__():
        yield from leaves(child)
