"""Checks an answer against the OpenAPI files that Amadeus published, if they are available."""

import json
import os
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.contract.schemas import Json, Operation

# `make contract SPEC=<folder>` sets it.
FOLDER = os.environ.get("AMADEUS_SPEC")

_SEARCH = "FlightOffersSearch_v2_swagger_specification.json"
_TOKEN = "Authorizaton_v1_swagger_specification.json"  # Amadeus's spelling
_OPERATIONS: dict[Operation, tuple[str, str, str]] = {
    "search": (_SEARCH, "/shopping/flight-offers", "get"),
    "bridged search": (_SEARCH, "/shopping/flight-offers", "get"),
    "bridged posted search": (_SEARCH, "/shopping/flight-offers", "post"),
    "posted search": (_SEARCH, "/shopping/flight-offers", "post"),
    "token": (_TOKEN, "/security/oauth2/token", "post"),
    "token description": (_TOKEN, "/security/oauth2/token/{access_token}", "get"),
}


@cache
def spec(file: str) -> dict[str, Json]:
    """One of the two files, unchanged."""
    assert FOLDER, "The files of Amadeus are needed: make contract SPEC=<folder>"
    content: dict[str, Json] = json.loads((Path(FOLDER) / file).read_text())
    return content


def parameters() -> list[dict[str, Json]]:
    """The parameters of a search."""
    found: list[dict[str, Json]] = _operation("search")["parameters"]
    return found


def schema(operation: Operation, status: int) -> Json | None:
    """The file's schema for an answer with this status, or None."""
    answers = _operation(operation)["responses"]
    answer = answers.get(str(status), answers.get("default"))
    if answer is None:
        return None
    answer = _resolved(_OPERATIONS[operation][0], answer)
    return (
        answer["schema"] if "schema" in answer else answer["content"]["application/json"]["schema"]
    )


def violations(operation: Operation, status: int, content: Json) -> list[str]:
    """Every violation of the file, unknown properties included."""
    import jsonschema  # noqa: PLC0415 - it takes a second and a half, in each process that collects

    expected = schema(operation, status)
    if expected is None:
        return []
    file = _OPERATIONS[operation][0]
    rooted = {
        name: part for name, part in spec(file).items() if name in {"definitions", "components"}
    }
    dates = jsonschema.FormatChecker(["date"])
    validator = jsonschema.Draft4Validator(rooted | expected, format_checker=dates)
    with warnings.catch_warnings():
        # The published pattern of fareBasis, "[[A-Z0-9]{1,18}", has a bracket too many.
        warnings.simplefilter("ignore", FutureWarning)
        broken = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]
    return broken + [f"{path}: not in the file" for path in _unknown(file, expected, content)]


def _operation(operation: Operation) -> dict[str, Any]:
    file, path, method = _OPERATIONS[operation]
    found: dict[str, Any] = spec(file)["paths"][path][method]
    return found


def _resolved(file: str, schema: Json) -> Json:
    while "$ref" in schema:
        found: Json = spec(file)
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        schema = found
    return schema


def _properties(file: str, schema: Json) -> tuple[dict[str, Json], Json]:
    """The named properties of a schema and the one for all other names, `allOf` included."""
    schema = _resolved(file, schema)
    properties, rest = dict(schema.get("properties", {})), schema.get("additionalProperties")
    for part in schema.get("allOf", []):
        more, more_rest = _properties(file, part)
        properties |= more
        rest = rest or more_rest
    return properties, rest


def _unknown(file: str, schema: Json, content: Json, path: str = "$") -> Iterator[str]:
    """The paths of properties that the schema does not have."""
    schema = _resolved(file, schema)
    if isinstance(content, list):
        for number, item in enumerate(content):
            yield from _unknown(file, schema.get("items", {}), item, f"{path}[{number}]")
    elif isinstance(content, dict):
        properties, rest = _properties(file, schema)
        for name, value in content.items():
            known = properties.get(name, rest)
            if known is None:
                yield f"{path}.{name}"
            else:
                yield from _unknown(file, known, value, f"{path}.{name}")
