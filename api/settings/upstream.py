"""The settings that say where prices come from, and what follows from them."""

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from api.settings.environments import (
    AMADEUS_HOSTS,
    AMADEUS_RATES,
    PROVIDERS,
    AmadeusEnvironment,
)
from api.settings.validation import SettingError, api_key, base_url, duffel_token, office_id

_SANDBOX_CREDENTIAL: Final = "sandbox"

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def file_of(variable: str) -> Any:
    """Return the field of a file that holds the secret of a variable."""
    return Field(
        default=None, description=f"file that contains {variable}; takes precedence over it"
    )


class UpstreamSettings(BaseSettings):
    """The part of the settings that chooses the upstream."""

    amadeus_environment: AmadeusEnvironment | None = Field(
        default=None,
        description="sandbox, enterprise-test, enterprise, test, production, duffel, ignav"
        " or custom; sandbox if no credentials are set",
    )
    amadeus_client_id: SecretStr | None = Field(
        default=None, description="Amadeus API key; required for Amadeus and with AMADEUS_BASE_URL"
    )
    amadeus_client_id_file: Path | None = file_of("AMADEUS_CLIENT_ID")
    amadeus_client_secret: SecretStr | None = Field(
        default=None, description="Amadeus API secret; required likewise"
    )
    amadeus_client_secret_file: Path | None = file_of("AMADEUS_CLIENT_SECRET")
    amadeus_base_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        default=None,
        description="http(s)://host[:port] of another server; implies AMADEUS_ENVIRONMENT=custom",
    )
    amadeus_guest_office_id: Annotated[str, AfterValidator(office_id)] | None = Field(
        default=None,
        description="office id that some Enterprise accounts must send to get a token",
    )
    duffel_access_token: Annotated[SecretStr, AfterValidator(duffel_token)] | None = Field(
        default=None,
        description="access token of Duffel; required with AMADEUS_ENVIRONMENT=duffel",
    )
    duffel_access_token_file: Path | None = file_of("DUFFEL_ACCESS_TOKEN")
    duffel_base_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        default=None, description="http(s)://host[:port] to call in place of Duffel's"
    )
    ignav_api_key: Annotated[SecretStr, AfterValidator(api_key)] | None = Field(
        default=None, description="API key of Ignav; required with AMADEUS_ENVIRONMENT=ignav"
    )
    ignav_api_key_file: Path | None = file_of("IGNAV_API_KEY")
    ignav_base_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        default=None, description="http(s)://host[:port] to call in place of Ignav's"
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

    @model_validator(mode="after")
    def _check_environment(self) -> Self:
        if self.amadeus_environment is None:
            self._check_nothing_is_left_unused()
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
            self._check_credentials()
        return self

    def _check_nothing_is_left_unused(self) -> None:
        """Check that nobody who has set an account gets the prices of another source."""
        if (self.amadeus_client_id or self.amadeus_client_secret) and not self.amadeus_base_url:
            raise SettingError(
                "AMADEUS_ENVIRONMENT",
                f"must be set if credentials are set: {_choice(AmadeusEnvironment)}",
            )
        unused = {
            name.upper(): environment
            for environment, provider in PROVIDERS.items()
            for name in (provider.key, provider.base_url)
            if getattr(self, name)
        }
        if unused:
            are = "are" if len(unused) > 1 else "is"
            last = (
                "custom for AMADEUS_BASE_URL"
                if self.amadeus_base_url
                else "sandbox for invented prices"
            )
            raise SettingError(
                "AMADEUS_ENVIRONMENT",
                f"must be set if {' and '.join(unused)} {are} set:"
                f" {', '.join(dict.fromkeys(unused.values()))}, or {last}",
            )

    def _check_credentials(self) -> None:
        provider = PROVIDERS.get(self.environment)
        names = [provider.key] if provider else ["amadeus_client_id", "amadeus_client_secret"]
        missing = [name.upper() for name in names if getattr(self, name) is None]
        if missing:
            are = "are" if len(missing) > 1 else "is"
            why = f"AMADEUS_ENVIRONMENT={self.environment}"
            if self.environment is AmadeusEnvironment.CUSTOM:
                why = "AMADEUS_BASE_URL (python -m sandbox accepts any values)"
            raise SettingError(" and ".join(missing), f"{are} required with {why}")

    @property
    def environment(self) -> AmadeusEnvironment:
        """The environment that is set, or the one that the other settings imply."""
        if self.amadeus_environment is not None:
            return self.amadeus_environment
        if self.amadeus_base_url is not None:
            return AmadeusEnvironment.CUSTOM
        return AmadeusEnvironment.SANDBOX

    @property
    def environment_shown(self) -> str:
        """The environment as all outputs name it: `duffel-test` if its prices are invented."""
        return f"{self.environment}-test" if self.has_test_key else self.environment.value

    @property
    def has_test_key(self) -> bool:
        """Whether the provider invents flights and prices for this key."""
        provider = PROVIDERS.get(self.environment)
        if provider is None or provider.test_prefix is None:
            return False
        return self._key.startswith(provider.test_prefix)

    @property
    def base_url(self) -> str:
        """Scheme, host and port of Amadeus; a placeholder for what runs in this process."""
        if self.amadeus_base_url:
            return self.amadeus_base_url
        in_process = "bridge" if self.environment in PROVIDERS else "sandbox"
        return AMADEUS_HOSTS.get(self.environment, f"http://{in_process}.invalid")

    @property
    def credentials(self) -> tuple[str, str]:
        """Client id and client secret.

        Those for the bridge in this process are derived from the provider's key. So all workers
        and replicas with the same key share a token, and no token of another key is accepted.
        """
        if self.environment in PROVIDERS:
            return self._derive("client id")[:16], self._derive("client secret")
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
        """What keeps prices apart in the cache: their source, with a digest of a provider's key.

        The account decides the currency of the prices, and may have prices of its own.
        """
        if self.environment in PROVIDERS:
            return f"{self.provider_shown} {self._derive('account')[:16]}"
        return self.provider_shown

    @property
    def provider_shown(self) -> str:
        """The source of the prices: the environment, with the URL of a custom one."""
        url = self.provider_base_url or self.amadeus_base_url
        return f"{self.environment_shown} {url}" if url else self.environment_shown

    @property
    def provider_base_url(self) -> str | None:
        """The URL to call in place of the provider's; None if it is not set or not used."""
        provider = PROVIDERS.get(self.environment)
        url: str | None = getattr(self, provider.base_url) if provider else None
        return url

    @property
    def provider_variables(self) -> dict[str, str]:
        """The provider's key and URL, by the variables from which the bridge reads them."""
        provider = PROVIDERS[self.environment]
        url = self.provider_base_url
        return {
            provider.key.upper(): self._key,
            **({provider.base_url.upper(): url} if url else {}),
        }

    @property
    def _key(self) -> str:
        secret: SecretStr = getattr(self, PROVIDERS[self.environment].key)
        return secret.get_secret_value()

    def _derive(self, label: str) -> str:
        account = f"flight-price-api {label} {self.provider_shown}"
        return hmac.digest(self._key.encode(), account.encode(), "sha256").hex()


def _choice(values: Iterable[str]) -> str:
    *rest, last = values
    return f"{', '.join(rest)} or {last}"
