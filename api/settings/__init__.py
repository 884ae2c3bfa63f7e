"""The settings: what each takes, where they are read, and what the log tells of them."""

from api.settings.load import current_settings, load_settings, reload_settings
from api.settings.model import Settings

__all__ = ["Settings", "current_settings", "load_settings", "reload_settings"]
