"""The parameters of a URL."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidRequest, ParameterError
from api.models import parameter_errors_of, unknown_parameter_errors

Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], params: Mapping[str, object], example: str, **limits: int) -> Model:
    """Validate the parameters of a URL or a tool. Raises InvalidRequest with all errors in them.

    example: a valid path and query, for the advice to quote a URL; empty if there is no URL.
    limits: what the validation of this model needs to know, such as the largest max_age.
    """
    valid = [field.alias or name for name, field in model.model_fields.items()]
    refused: Mapping[str, str] = getattr(model, "refused", {})
    known = {name: value for name, value in params.items() if name in valid}
    repeated = [name for name, value in known.items() if isinstance(value, list)]
    errors = [ParameterError(name, "must be given only once") for name in repeated]
    try:
        request = model.model_validate(known, context=limits)
    except ValidationError as exc:
        errors += [item for item in parameter_errors_of(exc) if item.parameter not in repeated]
    errors += [ParameterError(name, refused[name]) for name in params if name in refused]
    unknown = [name for name in params if name not in known and name not in refused]
    errors += unknown_parameter_errors(unknown, valid)
    if not errors:
        return request
    if example and set(params) == {"origin"}:
        raise InvalidRequest(
            "Only origin was received. Quote the URL in a shell, because & ends the command:"
            f" curl 'http://…{example}'",
            errors,
        )
    raise InvalidRequest("; ".join(f"{item.parameter} {item.detail}" for item in errors), errors)
