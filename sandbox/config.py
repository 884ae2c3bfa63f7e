"""What a sandbox is told when it is made, and what may be changed while it runs."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

RateLimit = Literal["none", "test", "production"]

RATE_LIMITS: tuple[RateLimit, ...] = get_args(RateLimit)

TOKEN_LIVES = range(1, 10 * 365 * 24 * 3600 + 1)
"""Seconds."""
COUNTS = range(10**9 + 1)
"""Of searches and of requests: JSON could not show much more."""

# The 99th percentile of the standard normal distribution.
_Z99 = 2.326
_MAX_WAIT = 600_000.0  # milliseconds


def whole_number(what: str, value: object, within: range) -> int:
    """The value. Raises ValueError, with a sentence for people, if it is not one of these."""
    if type(value) is not int or value not in within:
        raise ValueError(
            f"{what} must be a whole number from {within[0]} to {within[-1]}, not {value!r}"
        )
    return value


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer is held back, in milliseconds: always `p50`, or a long tail up to `p99`.

    With `p99` set the delays are lognormal: half are below `p50`, one in a hundred above `p99`.
    """

    p50: float = 0.0
    p99: float | None = None

    @classmethod
    def parse(cls, text: object) -> "Latency":
        """Read `120` (fixed) or `lognormal:80,900` (p50 and p99); milliseconds.

        Raises ValueError, with a sentence for people, on anything else.
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
        """Draw one delay."""
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
    """Everything that can be said about a sandbox; the defaults are a friendly one.

    Prices, timetables and tokens follow from `seed`: two sandboxes with the same seed give the
    same offers on the same day and accept each other's tokens.

    Raises ValueError, with a sentence for people, for a life or a quota that could not work.
    """

    seed: str = "amadeus"
    token_life: int = 1799
    """Seconds; 1799 is what Amadeus's own examples show."""
    client_id: str | None = None
    client_secret: str | None = None
    """If set, all others are refused with 401 and 38187; otherwise any non-empty pair will do."""
    rate_limit: RateLimit = "none"
    quota: int | None = None
    """Searches in a calendar month (UTC), after which each gets 429 and 38195."""
    latency: Latency = field(default_factory=Latency)
    faults: tuple[str, ...] = ()
    """Each `LEG:NAME[=ARG][xCOUNT]`, played from the start."""
    admin: bool = False
    """Whether the admin URLs are there at all."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch; decides what is in the past and which tokens have expired."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds; decides what the rate limits count."""

    def __post_init__(self) -> None:
        whole_number("token_life", self.token_life, TOKEN_LIVES)
        if self.quota is not None:
            whole_number("quota", self.quota, COUNTS)
