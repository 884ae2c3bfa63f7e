"""Every setting: environment variable, type, default and description."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from api.access.api_keys import Keys
from api.access.client_address import Proxies
from api.settings.environments import PROVIDERS
from api.settings.redis_url import RedisUrl, check_files
from api.settings.upstream import Seconds, UpstreamSettings, file_of
from api.settings.validation import SettingError, origins, read_secret
from api.telemetry import tracing

DOTENV: Final = ".env"


def _parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    return BeforeValidator(lambda given: parse(given) if isinstance(given, str) else given)


PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
# NoDecode: the list is comma-separated text, not JSON.
KeyList = Annotated[InstanceOf[Keys], NoDecode, _parsed_by(Keys.parse)]
ProxyList = Annotated[InstanceOf[Proxies], NoDecode, _parsed_by(Proxies.parse)]
WholeSeconds = Annotated[int, Field(ge=0, le=30 * 24 * 3600)]


class Settings(UpstreamSettings):
    """The settings of the service. They do not change after loading."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    request_deadline: Seconds = Field(
        default=15, description="seconds that a whole request may take"
    )
    redis_url: SecretStr = Field(
        default=SecretStr("memory://"),
        description="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL;"
        " memory:// for one process without Redis",
    )
    redis_url_file: Path | None = file_of("REDIS_URL")
    cache_ttl: WholeSeconds = Field(
        default=600,
        description="seconds that a price stays fresh; 0 disables the cache;"
        " default with Ignav: 300",
    )
    cache_stale_ttl: WholeSeconds = Field(
        default=3600,
        description="seconds after its TTL that a price may still be served,"
        " if Amadeus fails or the client accepts its age; default with Ignav: 0",
    )
    cache_empty_ttl: WholeSeconds = Field(
        default=60, description='seconds that "no offers" is cached'
    )
    api_keys: KeyList = Field(
        default=Keys(),
        description="keys that may request prices, separated by commas; without them anybody may",
    )
    api_keys_file: Path | None = file_of("API_KEYS")
    operator_keys: KeyList = Field(
        default=Keys(),
        description="keys that may read /metrics and /status, separated by commas;"
        " without them anybody may",
    )
    operator_keys_file: Path | None = file_of("OPERATOR_KEYS")
    client_rate_limit: PerMinute | None = Field(
        default=None, description="price requests per minute for each key, or else each address"
    )
    nocache_rate_limit: PerMinute | None = Field(
        default=None,
        description="price requests with nocache or a small max_age per minute, counted likewise",
    )
    forwarded_allow_ips: ProxyList = Field(
        default=Proxies(),
        description="addresses or networks of the proxies whose X-Forwarded-For and traceparent"
        " headers are trusted",
    )
    port: int = Field(default=8080, ge=1, le=65535, description="TCP port to listen on")
    web_concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="number of workers; default: one per core, or one with memory://",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="json, console, or auto (console on a terminal, else json)",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None,
        description="base URL of the OpenTelemetry collector to send spans to (OTLP over HTTP)",
    )
    cors_origins: Annotated[str, AfterValidator(origins)] | None = Field(
        default=None,
        description="origins whose pages may call the API,"
        " like https://app.example,https://b.example; or *",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        files = {
            name: given[name]
            for name in cls.model_fields  # `.env` may name files of other programs
            if name.endswith("_file") and given.get(name)
        }
        return given | {
            name.removesuffix("_file"): read_secret(name.upper(), file)
            for name, file in files.items()
        }

    @model_validator(mode="before")
    @classmethod
    def _use_cache_times_of_provider(cls, given: dict[str, Any]) -> dict[str, Any]:
        environment = str(given.get("amadeus_environment")).strip().lower()
        provider = {str(name): provider for name, provider in PROVIDERS.items()}.get(environment)
        return given if provider is None else {**provider.cache_times, **given}

    @field_validator("amadeus_environment", "log_level", "log_format", mode="before")
    @classmethod
    def _ignore_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _check_tracing(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must be a URL like http://collector:4318")
        if value is not None and not tracing.is_installed():
            raise ValueError(
                "needs packages: .venv/bin/pip install --require-hashes -r requirements/tracing.txt"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        RedisUrl.parse(value.get_secret_value())
        check_files(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _check_keys_are_distinct(self) -> Self:
        if self.api_keys.overlap(self.operator_keys):
            raise SettingError("OPERATOR_KEYS", "must not contain a key that is in API_KEYS")
        return self

    @model_validator(mode="after")
    def _check_time_of_provider(self) -> Self:
        provider = PROVIDERS.get(self.environment)
        for name in ("amadeus_timeout", "request_deadline"):
            if provider and getattr(self, name) < provider.least_seconds:
                raise SettingError(
                    name.upper(),
                    f"must be at least {provider.least_seconds:g} with"
                    f" AMADEUS_ENVIRONMENT={self.environment}: a search that ends before its answer"
                    " is billed all the same",
                )
        return self

    @property
    def in_memory(self) -> bool:
        """Whether the cache is in the memory of each process and not in Redis."""
        return self.redis_url.get_secret_value().startswith("memory://")

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        if self.web_concurrency is not None:
            return self.web_concurrency
        return 1 if self.in_memory else _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
