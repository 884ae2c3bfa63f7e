"""The settings of a running sandbox. The admin URLs can change them."""

import hmac
from typing import Any

from sandbox.config import (
    COUNTS,
    RATE_LIMITS,
    TOKEN_LIVES,
    Latency,
    SandboxConfig,
    whole_number,
)
from sandbox.state.rate_limits import Limits


class Controls:
    """The current settings; at first those of the configuration."""

    def __init__(self, config: SandboxConfig) -> None:
        self.name = "sandbox"
        self.now = config.clock
        self.token_life = config.token_life
        self.latency = config.latency
        self.limits = Limits(
            config.rate_limit, config.quota, clock=config.clock, monotonic=config.monotonic
        )
        self._client_id = config.client_id
        self._client_secret = config.client_secret

    def delay(self) -> float:
        """Return the delay of one answer, in seconds."""
        return self.latency.seconds()

    def accepts(self, client_id: str, client_secret: str) -> bool:
        """Return whether these credentials get a token."""
        return _matches(client_id, self._client_id) and _matches(client_secret, self._client_secret)

    def admit(self, client_id: str) -> None:
        """Count one search of this client. Raises AmadeusError if it exceeds a limit."""
        self.limits.admit(client_id)

    def change(self, wanted: dict[str, Any]) -> None:
        """Change all of these settings, or none if one of them is unknown or invalid.

        Raises ValueError with a message for the user.
        """
        checked = {name: _checked(name, value) for name, value in wanted.items()}
        for name, value in checked.items():
            if name in {"rate_limit", "quota"}:
                setattr(self.limits, name, value)
            else:
                setattr(self, name, value)
        if "quota" in checked:
            self.limits.reset_quota()

    def as_json(self) -> dict[str, Any]:
        """Return the settings as the admin URLs show them."""
        return {
            "token_life": self.token_life,
            "latency": str(self.latency),
            "rate_limit": self.limits.rate_limit,
            "quota": self.limits.quota,
        }


def _matches(given: str, expected: str | None) -> bool:
    if expected is None:
        return given != ""
    return hmac.compare_digest(given.encode(), expected.encode())


def _checked(name: str, value: Any) -> Any:
    match name:
        case "token_life":
            return whole_number(name, value, TOKEN_LIVES)
        case "quota":
            return None if value is None else whole_number(name, value, COUNTS)
        case "rate_limit":
            if value not in RATE_LIMITS:
                raise ValueError("rate_limit must be one of " + ", ".join(RATE_LIMITS))
            return value
        case "latency":
            return Latency.parse(value)
    raise ValueError(
        f"unknown setting {name!r}; the settings are: token_life, rate_limit, quota, latency"
    )
