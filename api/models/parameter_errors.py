"""The errors of invalid parameters."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError

from api.errors import ParameterError

UNKNOWN: Final = "is not a parameter"
# These limits keep the response to unknown parameters below 4 kB.
MAX_UNKNOWN_NAMED: Final = 3
MAX_NAME_LENGTH: Final = 14  # characters, as many as the longest alias
# Other services' names for our parameters that fuzzy matching would not find.
_ALIASES: Final = {
    "departure_date": "date",
    "departuredate": "date",
    "from": "origin",
    "to": "destination",
    "returndate": "return_date",
}


def parameter_errors_of(error: ValidationError) -> list[ParameterError]:
    """Return every error that pydantic found."""
    return [
        ParameterError(
            parameter=str(item["loc"][0]),
            detail="is required" if item["type"] == "missing" else item["msg"],
        )
        for item in error.errors(include_url=False)
    ]


def unknown_parameter_errors(names: Sequence[str], valid: Collection[str]) -> list[ParameterError]:
    """Return errors for the first few unknown parameters, each with a similar valid one.

    A URL can contain hundreds of them, and suggestions for all would take too long.
    """
    errors = [
        ParameterError(_shorten(name), _unknown(name, valid)) for name in names[:MAX_UNKNOWN_NAMED]
    ]
    known = f"valid parameters are {', '.join(valid)}"
    plain = [item for item in errors if item.detail == UNKNOWN]
    if len(names) > len(errors):
        count = f"is one of {len(names)} unknown parameters; {known}"
        errors.append(ParameterError(_shorten(names[len(errors)]), count))
    elif plain:  # the last one lists the valid parameters
        errors.remove(plain[-1])
        errors.append(ParameterError(plain[-1].parameter, f"{UNKNOWN}; {known}"))
    return errors


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}…"


def _unknown(name: str, valid: Collection[str]) -> str:
    similar = _similar_parameter(name, valid) if len(name) <= MAX_NAME_LENGTH else None
    return f"{UNKNOWN}; did you mean {similar}?" if similar else UNKNOWN


def _similar_parameter(parameter: str, valid: Collection[str]) -> str | None:
    name = parameter.lower()
    near = get_close_matches(name, valid, n=1)
    alias = _ALIASES.get(name)
    return alias if alias in valid else next(iter(near), None)
