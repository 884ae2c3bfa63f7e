"""The settings: what each takes, where they are read, and what the log tells of them."""

from api.settings.load import load_settings, reload_settings, settings_in_force
from api.settings.model import Settings

__all__ = ["Settings", "load_settings", "reload_settings", "settings_in_force"]
