"""Loads the settings once for all workers, at the start of the service and at each SIGHUP."""

import sys

from pydantic import ValidationError

from api.settings.model import DOTENV, Settings
from api.settings.validation import explain
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

_current: Settings | None = None

log = get_logger()


def load_settings(before: Settings | None = None) -> Settings:
    """Read the settings from the environment and from `.env`; the environment takes precedence.

    An invalid or missing setting ends the process with one line that explains it. If there are
    settings from `before`, the line is logged and these are returned instead.
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
    """Load the settings, or load them again, for this process and those that it forks."""
    global _current  # noqa: PLW0603 - one per process
    _current = load_settings(before=_current)
    return _current


def current_settings() -> Settings:
    """Return the settings loaded last. A new worker reads no file, which may be half edited."""
    return _current or reload_settings()
