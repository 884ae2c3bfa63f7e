"""Holds an answer of the sandbox against the OpenAPI files that Amadeus published."""

import json
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

_FOLDER = Path(__file__).with_name("sandbox_spec")
_FILES = {
    "search": "FlightOffersSearch_v2_swagger_specification.json",
    "token": "Authorizaton_v1_swagger_specification.json",
}

Leg = Literal["search", "token"]
Json = Any


@cache
def spec(leg: Leg) -> dict[str, Json]:
    """One of the two files, as it is."""
    content: dict[str, Json] = json.loads((_FOLDER / _FILES[leg]).read_text())
    return content


def search_schema(method: str, status: int) -> Json:
    """What the file says about an answer of flight offers search with this status."""
    answers = spec("search")["paths"]["/shopping/flight-offers"][method]["responses"]
    answer = _resolved("search", answers.get(str(status), answers["default"]))
    return answer["schema"]


def token_schema(status: int, path: str = "/security/oauth2/token", method: str = "post") -> Json:
    """What the file says about an answer of the token endpoint with this status."""
    answers = spec("token")["paths"][path][method]["responses"]
    return answers[str(status)]["content"]["application/json"]["schema"]


def faults(leg: Leg, schema: Json, content: Json) -> list[str]:
    """All ways in which the content breaks the schema, or has what the schema does not know."""
    import jsonschema  # noqa: PLC0415 - it takes a second and a half, in each process that collects

    document = spec(leg) | {"$schema": "http://json-schema.org/draft-04/schema#"}
    rooted = {
        name: part for name, part in document.items() if name in {"definitions", "components"}
    }
    dates = jsonschema.FormatChecker(["date"])
    validator = jsonschema.Draft4Validator(rooted | schema, format_checker=dates)
    with warnings.catch_warnings():
        # The published pattern of fareBasis, "[[A-Z0-9]{1,18}", has a bracket too many.
        warnings.simplefilter("ignore", FutureWarning)
        broken = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]
    return broken + [f"{path}: not in the specification" for path in _unknown(leg, schema, content)]


def _resolved(leg: Leg, schema: Json) -> Json:
    while "$ref" in schema:
        found: Json = spec(leg)
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        schema = found
    return schema


def _properties(leg: Leg, schema: Json) -> tuple[dict[str, Json], Json]:
    """The named properties of a schema and the one for all other names, `allOf` included."""
    schema = _resolved(leg, schema)
    properties, rest = dict(schema.get("properties", {})), schema.get("additionalProperties")
    for part in schema.get("allOf", []):
        more, more_rest = _properties(leg, part)
        properties |= more
        rest = rest or more_rest
    return properties, rest


def _unknown(leg: Leg, schema: Json, content: Json, path: str = "$") -> Iterator[str]:
    """Where the content has names that the schema does not."""
    schema = _resolved(leg, schema)
    if isinstance(content, list):
        for number, item in enumerate(content):
            yield from _unknown(leg, schema.get("items", {}), item, f"{path}[{number}]")
    elif isinstance(content, dict):
        properties, rest = _properties(leg, schema)
        for name, value in content.items():
            known = properties.get(name, rest)
            if known is None:
                yield f"{path}.{name}"
            else:
                yield from _unknown(leg, known, value, f"{path}.{name}")
