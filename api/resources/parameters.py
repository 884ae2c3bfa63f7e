"""The parameters of a URL."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidRequest, ParameterError
from api.models import parameter_errors_of, unknown_parameter_errors

Model = TypeVar("Model", bound=BaseModel)


def parse(
    model: type[Model], params: Mapping[str, str | list[str]], example: str, *, oldest: int
) -> Model:
    """Validate the parameters of a URL. Raises InvalidRequest with all errors in them.

    example: a valid path and query, for the advice to quote a URL.
    oldest: the largest valid max_age.
    """
    known = {name: value for name, value in params.items() if name in model.model_fields}
    repeated = [name for name, value in known.items() if isinstance(value, list)]
    errors = [ParameterError(name, "must be given only once") for name in repeated]
    try:
        request = model.model_validate(known, context={"oldest": oldest})
    except ValidationError as exc:
        errors += [item for item in parameter_errors_of(exc) if item.parameter not in repeated]
    unknown = [name for name in params if name not in known]
    errors += unknown_parameter_errors(unknown, model.model_fields)
    if not errors:
        return request
    if set(params) == {"origin"}:
        raise InvalidRequest(
            "Only origin was received. Quote the URL in a shell, because & ends the command:"
            f" curl 'http://…{example}'",
            errors,
        )
    raise InvalidRequest("; ".join(f"{item.parameter} {item.detail}" for item in errors), errors)
