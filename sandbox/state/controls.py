"""The settings of a running sandbox, changed by the admin URLs and read by everything else."""

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
    """What the configuration said, until someone changes it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.now = config.clock
        self.token_life = config.token_life
        self.latency = config.latency
        self.limits = Limits(
            config.rate_limit, config.quota, clock=config.clock, monotonic=config.monotonic
        )
        self._client_id = config.client_id
        self._client_secret = config.client_secret

    def delay(self) -> float:
        """How long to hold back one answer, in seconds."""
        return self.latency.seconds()

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether these credentials get a token."""
        return _right(client_id, self._client_id) and _right(client_secret, self._client_secret)

    def change(self, wanted: dict[str, Any]) -> None:
        """Take over these settings, all or none.

        Raises ValueError, with a sentence for people, if one of them is unknown or wrong.
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
        """The form in which the admin URLs show them."""
        return {
            "token_life": self.token_life,
            "latency": str(self.latency),
            "rate_limit": self.limits.rate_limit,
            "quota": self.limits.quota,
        }


def _right(given: str, wanted: str | None) -> bool:
    if wanted is None:
        return given != ""
    return hmac.compare_digest(given.encode(), wanted.encode())


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
