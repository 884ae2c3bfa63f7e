"""Every setting: environment variable, type, default and description."""

import os
from collections.abc import Callable, Iterable
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
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.access.api_keys import Keys
from api.access.client_address import Proxies
from api.settings.environments import AMADEUS_HOSTS, AMADEUS_RATES, AmadeusEnvironment
from api.settings.redis_url import RedisUrl, check_files
from api.settings.validation import SettingError, base_url, office_id, origins, read_secret
from api.telemetry import tracing

DOTENV: Final = ".env"
_SANDBOX_CREDENTIAL: Final = "sandbox"


def _file_of(variable: str) -> Any:
    return Field(
        default=None, description=f"file that contains {variable}; takes precedence over it"
    )


def _parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    return BeforeValidator(lambda given: parse(given) if isinstance(given, str) else given)


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
# NoDecode: the list is comma-separated text, not JSON.
KeyList = Annotated[InstanceOf[Keys], NoDecode, _parsed_by(Keys.parse)]
ProxyList = Annotated[InstanceOf[Proxies], NoDecode, _parsed_by(Proxies.parse)]
WholeSeconds = Annotated[int, Field(ge=0, le=30 * 24 * 3600)]


class Settings(BaseSettings):
    """The settings of the service. They do not change after loading."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    amadeus_environment: AmadeusEnvironment | None = Field(
        default=None,
        description="sandbox, enterprise-test, enterprise, test, production or custom;"
        " sandbox if no credentials are set",
    )
    amadeus_client_id: SecretStr | None = Field(
        default=None, description="Amadeus API key; required outside the sandbox"
    )
    amadeus_client_id_file: Path | None = _file_of("AMADEUS_CLIENT_ID")
    amadeus_client_secret: SecretStr | None = Field(
        default=None, description="Amadeus API secret; required outside the sandbox"
    )
    amadeus_client_secret_file: Path | None = _file_of("AMADEUS_CLIENT_SECRET")
    amadeus_base_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        default=None,
        description="http(s)://host[:port] of another server; implies AMADEUS_ENVIRONMENT=custom",
    )
    amadeus_guest_office_id: Annotated[str, AfterValidator(office_id)] | None = Field(
        default=None,
        description="office id that some Enterprise accounts must send to get a token",
    )
    amadeus_rate_limit: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="calls per second by all replicas together; default: the environment's limit",
    )
    amadeus_timeout: Seconds = Field(
        default=10, description="seconds that one call to Amadeus may take"
    )
    request_deadline: Seconds = Field(
        default=15, description="seconds that a whole request may take"
    )
    redis_url: SecretStr = Field(
        default=SecretStr("memory://"),
        description="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL;"
        " memory:// for one process without Redis",
    )
    redis_url_file: Path | None = _file_of("REDIS_URL")
    cache_ttl: WholeSeconds = Field(
        default=600, description="seconds that a price stays fresh; 0 disables the cache"
    )
    cache_stale_ttl: WholeSeconds = Field(
        default=3600,
        description="seconds after its TTL that a price may still be served,"
        " if Amadeus fails or the client accepts its age",
    )
    cache_empty_ttl: WholeSeconds = Field(
        default=60, description='seconds that "no offers" is cached'
    )
    api_keys: KeyList = Field(
        default=Keys(),
        description="keys that may request prices, separated by commas; without them anybody may",
    )
    api_keys_file: Path | None = _file_of("API_KEYS")
    operator_keys: KeyList = Field(
        default=Keys(),
        description="keys that may read /metrics and /status, separated by commas;"
        " without them anybody may",
    )
    operator_keys_file: Path | None = _file_of("OPERATOR_KEYS")
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
    def _check_environment(self) -> Self:
        is_implied = self.amadeus_environment is None and self.amadeus_base_url is None
        if is_implied and (self.amadeus_client_id or self.amadeus_client_secret):
            raise SettingError(
                "AMADEUS_ENVIRONMENT",
                f"must be set if credentials are set: {_choice(AmadeusEnvironment)}",
            )
        is_custom = self.environment is AmadeusEnvironment.CUSTOM
        if self.amadeus_base_url and not is_custom:
            raise SettingError(
                "AMADEUS_BASE_URL", f"needs AMADEUS_ENVIRONMENT=custom, not {self.environment}"
            )
        if is_custom and not self.amadeus_base_url:
            raise SettingError(
                "AMADEUS_BASE_URL",
                "is required with AMADEUS_ENVIRONMENT=custom, like https://host:8443",
            )
        if self.environment is not AmadeusEnvironment.SANDBOX:
            given = {
                "AMADEUS_CLIENT_ID": self.amadeus_client_id,
                "AMADEUS_CLIENT_SECRET": self.amadeus_client_secret,
            }
            missing = [name for name, value in given.items() if value is None]
            if missing:
                are = "are" if len(missing) > 1 else "is"
                why = f"AMADEUS_ENVIRONMENT={self.environment}"
                if is_custom:
                    why = "AMADEUS_BASE_URL (python -m sandbox accepts any values)"
                raise SettingError(" and ".join(missing), f"{are} required with {why}")
        return self

    @property
    def environment(self) -> AmadeusEnvironment:
        """The environment that is set, or the one that the other settings imply."""
        if self.amadeus_environment is not None:
            return self.amadeus_environment
        if self.amadeus_base_url is not None:
            return AmadeusEnvironment.CUSTOM
        return AmadeusEnvironment.SANDBOX

    @property
    def base_url(self) -> str:
        """Scheme, host and port of Amadeus; a placeholder for the sandbox."""
        if self.amadeus_base_url:
            return self.amadeus_base_url
        return AMADEUS_HOSTS.get(self.environment, "http://sandbox.invalid")

    @property
    def credentials(self) -> tuple[str, str]:
        """Client id and client secret."""
        if self.amadeus_client_id is None or self.amadeus_client_secret is None:
            return _SANDBOX_CREDENTIAL, _SANDBOX_CREDENTIAL  # optional only in the sandbox
        return (
            self.amadeus_client_id.get_secret_value(),
            self.amadeus_client_secret.get_secret_value(),
        )

    @property
    def calls_per_second(self) -> float | None:
        """The rate limit of Amadeus for all replicas together; None if there is none."""
        return self.amadeus_rate_limit or AMADEUS_RATES.get(self.environment)

    @property
    def provider(self) -> str:
        """The source of the prices: the environment, with the URL of a custom one."""
        if self.environment is AmadeusEnvironment.CUSTOM:
            return f"custom {self.base_url}"
        return self.environment.value

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


def _choice(values: Iterable[str]) -> str:
    *rest, last = values
    return f"{', '.join(rest)} or {last}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
