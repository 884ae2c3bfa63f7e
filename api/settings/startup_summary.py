"""The summary of the settings in the log at the start."""

import os
import resource
from typing import Final

from pydantic_settings import DotEnvSettingsSource

from api.settings.environments import PROVIDERS, AmadeusEnvironment
from api.settings.model import DOTENV, Settings
from api.settings.redis_url import RedisUrl
from api.settings.validation import unknown_settings
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# A worker has 1000 clients, 129 connections to Amadeus or 768 to Ignav, 67 to each Redis server (a
# cluster may have ten), and other open files.
MIN_OPEN_FILES: Final = 3072
PREFERRED_OPEN_FILES: Final = 8192

log = get_logger()


def log_summary(settings: Settings) -> None:
    """Log the settings, as a warning if one of them needs the operator's attention."""
    write = log.warning if _warnings(settings) else log.info
    write(Event.SERVICE_STARTED, **summary(settings))


def summary(settings: Settings) -> dict[str, object]:
    """Return the fields of `service.started`. They contain no secret and no URL with one."""
    redis_url = settings.redis_url.get_secret_value()
    redis = RedisUrl.parse(redis_url).location
    keys = {"api_keys": settings.api_keys.names(), "operator_keys": settings.operator_keys.names()}
    notices = _warnings(settings)
    if settings.environment is AmadeusEnvironment.SANDBOX:
        notices.append("prices are invented; set AMADEUS_ENVIRONMENT for real prices")
    elif settings.has_test_key:
        notices.append(
            f"prices are invented: {PROVIDERS[settings.environment].key.upper()} is for tests"
        )
    return {
        "environment": settings.environment_shown,
        "amadeus": _upstream(settings),
        "cache": redis_url.partition("://")[0],
        **({"redis": redis} if redis else {}),
        "cache_ttl": settings.cache_ttl,
        "port": settings.port,
        "url": f"http://localhost:{settings.port}",
        "workers": settings.workers,
        **{name: names for name, names in keys.items() if names},
        **({"notice": "; ".join(notices)} if notices else {}),
    }


def _upstream(settings: Settings) -> str:
    if settings.environment is AmadeusEnvironment.SANDBOX:
        return "bundled sandbox"
    if settings.environment in PROVIDERS:
        return f"bundled bridge to {settings.provider_shown}"
    return settings.base_url


def _warnings(settings: Settings) -> list[str]:
    """Return notices about settings that may be unintended and cost security, calls or clients."""
    in_file = DotEnvSettingsSource(Settings, env_file=DOTENV).env_vars
    warnings = unknown_settings([*os.environ, *in_file], Settings.model_fields)
    if settings.environment is not AmadeusEnvironment.SANDBOX and not settings.api_keys:
        warnings.append("anybody who can reach the port may request prices; set API_KEYS")
    if settings.environment in PROVIDERS and settings.amadeus_client_id:
        warnings.append(
            "AMADEUS_CLIENT_ID is not used with"
            f" AMADEUS_ENVIRONMENT={settings.environment}: prices come from there, not from Amadeus"
        )
    if wide := settings.forwarded_allow_ips.wide():
        warnings.append(
            f"FORWARDED_ALLOW_IPS has {', '.join(wide)}: a client in it can pose as any other;"
            " list only the proxies"
        )
    if settings.in_memory and settings.workers > 1:
        warnings.append(
            f"{settings.workers} workers without Redis: each has its own cache and token"
        )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < MIN_OPEN_FILES:
        warnings.append(
            f"a worker may open only {files} files but can need {MIN_OPEN_FILES};"
            " raise the hard limit"
        )
    return warnings
