"""Checks settings and explains errors in one line.

A message may quote the given value if it is a number or a word. It never quotes a secret or a URL,
which can contain a password.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

OUR_PREFIX: Final = "AMADEUS_"
# OpenTelemetry's packages read many variables with this prefix.
_OTEL_PREFIX: Final = "OTEL_"
# Names used by the SDK or other tools that fuzzy matching would not find.
_ALIASES: Final = {"HOSTNAME": "ENVIRONMENT", "HOST": "BASE_URL", "URL": "BASE_URL"}
# Names that mean a security setting, whatever the prefix. Keys for other services usually end in
# API_KEY, such as OPENAI_API_KEY, so that end needs a prefix of our own.
_SECURITY_NAMES: Final = {
    r"DUFFEL_(.*_)?(KEY|TOKEN|SECRET)S?": "DUFFEL_ACCESS_TOKEN",
    r"IGNAV_(.*_)?(KEY|TOKEN|SECRET)S?": "IGNAV_API_KEY",
    r"(.*_)?API_KEYS|((FLIGHTS?|PRICES?|CLIENT|SERVICE)_)+API_KEY": "API_KEYS",
    r"(.*_)?OPERATOR(_API)?_KEYS?": "OPERATOR_KEYS",
    r"(.*_)?NOCACHE(_RATE)?_LIMIT": "NOCACHE_RATE_LIMIT",
    r"(.*_)?RATE_LIMIT": "CLIENT_RATE_LIMIT",
    r"(.*_)?((ALLOW(ED)?|FORWARDED)_IPS|TRUSTED_PROXIES)": "FORWARDED_ALLOW_IPS",
}
# A shorter name is too similar to those of other programs: PORT to SPORT.
_MIN_SIMILAR: Final = 8  # letters
_MAX_QUOTED: Final = 60  # characters


class SettingError(ValueError):
    """An error in a setting other than the field being validated."""

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(detail)
        self.variable = variable


def explain(error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
    """Return one line that names each invalid variable and its valid values."""
    return "; ".join(
        f"{variable} {detail}"
        for variable, detail in (_variable_and_detail(item, fields) for item in error.errors())
    )


def unknown_settings(given: Iterable[str], fields: Iterable[str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none."""
    known = {name.upper() for name in fields}
    hints = {
        variable: _hint(variable, known)
        for variable in sorted({name.upper() for name in given} - known)
        if not variable.startswith(_OTEL_PREFIX)
    }
    return [
        f"{variable} is not a setting{hint}"
        for variable, hint in hints.items()
        if hint or variable.startswith(OUR_PREFIX)
    ]


def read_secret(variable: str, file: str | Path) -> str:
    """Return the stripped content of the file that a variable names. Raises SettingError."""
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or "not UTF-8 text"
        raise SettingError(
            variable, f"must be a readable file ({reason[0].lower()}{reason[1:]})"
        ) from None
    if not content:
        raise SettingError(variable, "must not be an empty file")
    return content


def base_url(value: str) -> str:
    """Validate a URL of scheme, host and port. Raises ValueError."""
    takes = "must be an http or https URL of scheme, host and port only, like https://host:8443"
    try:
        parts = urlsplit(value)
        _ = parts.port
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:
        raise ValueError(takes) from None  # urllib's message quotes the URL
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or parts.username is not None
    ):
        raise ValueError(takes)
    return f"{parts.scheme}://{netloc}"


def origins(value: str) -> str:
    """Validate origins (RFC 6454) separated by commas, or *. Raises ValueError."""
    for origin in [] if value == "*" else value.split(","):
        if not re.fullmatch(r"https?://[^/,\s*]+", origin):
            lacks = "" if "://" in origin else ": https:// is missing"
            raise ValueError(
                "must be origins like https://app.example,https://b.example, or * alone,"
                f" not {_quote(origin)}{lacks}"
            )
    return value


def office_id(value: str) -> str:
    """Validate an office id. Raises ValueError."""
    if not re.fullmatch("[A-Za-z0-9]{1,32}", value):
        raise ValueError(f"must be an office id of 1 to 32 letters and digits, not {_quote(value)}")
    return value


def duffel_token(value: SecretStr) -> SecretStr:
    """Validate an access token of Duffel. Raises ValueError."""
    if not re.fullmatch(r"duffel_(test|live)_[0-9A-Za-z_-]{1,200}", value.get_secret_value()):
        raise ValueError("must be an access token that begins with duffel_test_ or duffel_live_")
    return value


def api_key(value: SecretStr) -> SecretStr:
    """Validate a key that is sent in a header. Raises ValueError."""
    if not re.fullmatch("[!-~]+", value.get_secret_value()):
        raise ValueError("must have only visible ASCII characters")
    return value


def _variable_and_detail(item: ErrorDetails, fields: Mapping[str, FieldInfo]) -> tuple[str, str]:
    context = item.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, SettingError):
        return cause.variable, str(cause)
    name = str(item["loc"][0])
    if isinstance(cause, ValueError):
        return name.upper(), str(cause)
    given = _quote(item["input"])
    if "expected" in context:
        words = str(context["expected"]).replace("'", "")
        return name.upper(), f"must be {words}, not {given}"
    takes = _range(fields[name])
    return name.upper(), f"must be {takes}, not {given} ({fields[name].description})"


def _range(field: FieldInfo) -> str:
    """Describe the numbers that a field accepts."""
    kind: Any = Annotated[field.annotation, field]
    schema = TypeAdapter(kind).json_schema()
    for choice in schema.get("anyOf", [schema]):
        match choice:
            case {"type": "integer", "minimum": low, "maximum": high}:
                return f"a whole number from {low} to {high}"
            case {"type": "number", "exclusiveMinimum": low, "maximum": high}:
                return f"a number greater than {low} and at most {high}"
    return "a valid value"


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…")


def _hint(variable: str, known: Collection[str]) -> str:
    file = "_FILE" if variable.endswith("_FILE") else ""
    for pattern, setting in _SECURITY_NAMES.items():
        if re.fullmatch(pattern, variable.removesuffix(file)):
            named = f"{setting}{file}"
            return f"; did you mean {named if named in known else setting}?"
    if variable.startswith(OUR_PREFIX):
        word = variable.removeprefix(OUR_PREFIX)
        words = [name.removeprefix(OUR_PREFIX) for name in known if name.startswith(OUR_PREFIX)]
        near = [_ALIASES[word]] if word in _ALIASES else get_close_matches(word, words, 1, 0.4)
        return f"; did you mean {OUR_PREFIX}{near[0]}?" if near else ""
    similar = [name for name in known if len(name) >= _MIN_SIMILAR]
    near = get_close_matches(variable, similar, 1, 0.85)
    return f"; did you mean {near[0]}?" if near else ""
