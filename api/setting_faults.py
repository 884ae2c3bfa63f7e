"""What is wrong with a setting, in one line that names it and never repeats its value."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


class SettingError(ValueError):
    """A setting that does not go with the others."""

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(detail)
        self.variable = variable


def explain(error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
    """One line that names each bad variable and what it takes. Values are never repeated."""
    return "; ".join(
        f"{variable} {detail}"
        for variable, detail in (_variable_and_detail(fault, fields) for fault in error.errors())
    )


def read_secret(variable: str, file: str | Path) -> str:
    """The content of the file that a variable names. Raises SettingError."""
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or "it is no text"
        raise SettingError(
            variable, f"takes a file that can be read ({reason[0].lower()}{reason[1:]})"
        ) from None
    if not content:
        raise SettingError(variable, "takes a file with something in it")
    return content


def _variable_and_detail(fault: ErrorDetails, fields: Mapping[str, FieldInfo]) -> tuple[str, str]:
    cause = fault["ctx"].get("error") if "ctx" in fault else None
    if isinstance(cause, SettingError):
        return cause.variable, str(cause)
    name = str(fault["loc"][0])
    if isinstance(cause, ValueError):
        return name.upper(), str(cause)
    takes = fields[name].description
    return name.upper(), f"takes {takes} ({fault['msg'][0].lower()}{fault['msg'][1:]})"
