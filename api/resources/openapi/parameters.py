"""Query parameters in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def parameters(model: type[BaseModel], day: str, oldest: int) -> list[dict[str, Any]]:
    """Return the parameters of a model. day: date of the examples. oldest: largest max_age."""
    schema = model.model_json_schema()
    max_age = schema["properties"]["max_age"]
    max_age |= {"maximum": oldest, "examples": [min(oldest, *max_age["examples"])]}
    return [
        _parameter(name, _resolved(field, schema["$defs"]), name in schema["required"], day)
        for name, field in schema["properties"].items()
    ]


def _parameter(name: str, field: dict[str, Any], required: bool, day: str) -> dict[str, Any]:
    field.pop("title", None)
    examples = field.setdefault("examples", [day[:7] if name == "month" else day])
    if isinstance(field.get("default"), bool):
        field["default"] = str(field["default"]).lower()
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": field.pop("description"),
        "schema": field,
        # /docs fills in the examples, so give them only for what a query needs.
        **({"example": examples[0]} if required or name == "month" else {}),
    }


def _resolved(field: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field's schema without null and references, as a URL parameter needs it."""
    described = {key: value for key, value in field.items() if key != "anyOf"}
    if described.get("default", ...) is None:
        del described["default"]
    for choice in field.get("anyOf", ()):
        if "$ref" in choice:
            choice = definitions[choice["$ref"].rpartition("/")[2]]  # noqa: PLW2901
        if choice != {"type": "null"}:
            return {**choice, **described}
    return described
