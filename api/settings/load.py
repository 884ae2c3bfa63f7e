"""Reading the settings: once for all workers, when the service starts and at each SIGHUP."""

import sys

from pydantic import ValidationError

from api.settings.model import DOTENV, Settings
from api.settings.validation import explain
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

_current: Settings | None = None

log = get_logger()


def load_settings(before: Settings | None = None) -> Settings:
    """The settings of the environment, and of `.env` where there is one; the environment wins.

    A bad or missing setting ends the process with one line that names it and what it takes.
    Where there are settings from `before`, these stay instead, and the line is in the log.
    """
    try:
        return Settings(_env_file=DOTENV, _env_file_encoding="utf-8")
    except ValidationError as exc:
        explanation = explain(exc, Settings.model_fields)
    if before is not None:
        log.error(Event.GUNICORN, message=f"SIGHUP did not change the settings: {explanation}")
        return before
    sys.stderr.write(f"flight-price-api: {explanation}\n")
    raise SystemExit(2)


def reload_settings() -> Settings:
    """Load them for this process and those that it forks, at the start or anew."""
    global _current  # noqa: PLW0603 - one for each process
    _current = load_settings(before=_current)
    return _current


def current_settings() -> Settings:
    """Those that were loaded last: a worker that comes later reads no file that is being edited."""
    return _current or reload_settings()
