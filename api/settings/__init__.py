"""The settings: definition, loading, validation, and their summary in the log."""

from api.settings.load import current_settings, load_settings, reload_settings
from api.settings.model import Settings

__all__ = ["Settings", "current_settings", "load_settings", "reload_settings"]
