"""Checks requests and answers against the OpenAPI file of Ignav, if it is available."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

# `make contract PROVIDERS=<folder>` sets it.
FOLDER = os.environ.get("PROVIDERS")


@cache
def spec() -> dict[str, Any]:
    """The file, unchanged."""
    assert FOLDER, "The file of Ignav is needed: make contract PROVIDERS=<folder>"
    content: dict[str, Any] = json.loads((Path(FOLDER) / "ignav" / "openapi.json").read_text())
    return content


def request_violations(path: str, body: object) -> list[str]:
    """Every violation of a request; none without the file."""
    return _violations(spec()["paths"][path]["post"]["requestBody"], body) if FOLDER else []


def answer_violations(path: str, status: int, body: object) -> list[str]:
    """Every violation of an answer; none without the file."""
    return (
        _violations(spec()["paths"][path]["post"]["responses"][str(status)], body) if FOLDER else []
    )


def _violations(part: dict[str, Any], body: object) -> list[str]:
    import jsonschema  # noqa: PLC0415 - it takes a second and a half, in each process that collects

    schema = part["content"]["application/json"]["schema"] | {"components": spec()["components"]}
    dates = jsonschema.FormatChecker(["date"])
    validator = jsonschema.Draft202012Validator(schema, format_checker=dates)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
