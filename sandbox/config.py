"""The configuration of a sandbox."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

RateLimit = Literal["none", "test", "production"]

RATE_LIMITS: tuple[RateLimit, ...] = get_args(RateLimit)

TOKEN_LIVES = range(1, 10 * 365 * 24 * 3600 + 1)
"""Valid lifetimes of a token, in seconds."""
COUNTS = range(10**9 + 1)
"""Valid numbers of searches and of requests."""

# The 99th percentile of the standard normal distribution.
_Z99 = 2.326
_MAX_WAIT = 600_000.0  # milliseconds


def whole_number(what: str, value: object, within: range) -> int:
    """Return the value. Raises ValueError with a message for the user if it is not in the range."""
    if type(value) is not int or value not in within:
        raise ValueError(
            f"{what} must be a whole number from {within[0]} to {within[-1]}, not {value!r}"
        )
    return value


@dataclass(frozen=True, slots=True)
class Latency:
    """The delay of an answer in milliseconds: `p50`, or a random delay if `p99` is set.

    Random delays are lognormal: half are below `p50`, one in a hundred is above `p99`.
    """

    p50: float = 0.0
    p99: float | None = None

    @classmethod
    def parse(cls, text: object) -> "Latency":
        """Parse `120` (fixed) or `lognormal:80,900` (p50 and p99), in milliseconds.

        Raises ValueError with a message for the user.
        """
        words = str(text).strip()
        try:
            if not words.startswith("lognormal:"):
                return cls(_milliseconds(words))
            p50, p99 = words.removeprefix("lognormal:").split(",")
            latency = cls(_milliseconds(p50), _milliseconds(p99))
        except ValueError:
            raise ValueError(
                f"latency must be a number of milliseconds from 0 to {_MAX_WAIT:.0f}, "
                "or lognormal:P50,P99"
            ) from None
        if not latency.p99 or not 0 < latency.p50 <= latency.p99:
            raise ValueError("a lognormal latency must have 0 < P50 <= P99")
        return latency

    def __str__(self) -> str:
        return f"{self.p50:g}" if self.p99 is None else f"lognormal:{self.p50:g},{self.p99:g}"

    def seconds(self) -> float:
        """Return the delay of one answer, in seconds."""
        if self.p99 is None:
            return self.p50 / 1000
        sigma = math.log(self.p99 / self.p50) / _Z99
        drawn = random.lognormvariate(math.log(self.p50), sigma)
        return min(drawn, _MAX_WAIT) / 1000


def _milliseconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= _MAX_WAIT:
        raise ValueError
    return number


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The configuration of a sandbox. By default it injects no faults and has no limits.

    `seed` determines prices, timetables and tokens: two sandboxes with the same seed return the
    same offers on the same day and accept each other's tokens.

    Raises ValueError with a message for the user for an invalid `token_life` or `quota`.
    """

    seed: str = "amadeus"
    token_life: int = 1799
    """In seconds; 1799 as in Amadeus's own examples."""
    client_id: str | None = None
    client_secret: str | None = None
    """If set, other credentials get 401 and 38187. By default any non-empty pair is accepted."""
    rate_limit: RateLimit = "none"
    quota: int | None = None
    """Searches per calendar month (UTC). Further searches get 429 and 38195."""
    latency: Latency = field(default_factory=Latency)
    faults: tuple[str, ...] = ()
    """Faults from the start, each `LEG:NAME[=ARG][xCOUNT]`."""
    admin: bool = False
    """Whether to enable the admin URLs."""
    clock: Callable[[], float] = time.time
    """Returns seconds since the epoch; used for dates and the expiry of tokens."""
    monotonic: Callable[[], float] = time.monotonic
    """Returns seconds; used for the rate limits."""

    def __post_init__(self) -> None:
        whole_number("token_life", self.token_life, TOKEN_LIVES)
        if self.quota is not None:
            whole_number("quota", self.quota, COUNTS)
