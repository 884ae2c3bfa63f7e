"""What a read-through is asked for, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from api.services.cache.entries import Entry
from api.services.deadline import Deadline
from api.telemetry.events import Event


class Outcome(StrEnum):
    """How a caller was served; the values of X-Cache."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class FetchedValue:
    """What a fetch returns, and for how many seconds it is fresh."""

    body: bytes
    ttl: float


def no_pause(_tries: int) -> float:
    """Whoever comes after a failure may try at once."""
    return 0.0


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """What to look up, and how to fetch it.

    key: everything that tells one entry from another.
    fetch: asks the upstream; raises UpstreamError.
    observe: called with each event (a miss, a bypass, what was stored and so on) as it happens,
    with
        the entry where there is one.
    stale_ttl: seconds beyond its TTL in which an entry may stand in for a failure.
    pause: seconds in which nobody tries again, by the number of failures in a row.
    waits_in_line: whether it is fetched only once few enough others are.
    """

    key: str
    fetch: Callable[[Deadline], FetchedValue]
    observe: Callable[[Event, Entry | None], None]
    stale_ttl: float = 0.0
    refresh_from: float = 0.9
    pause: Callable[[int], float] = no_pause
    waits_in_line: bool = True


@dataclass(frozen=True, slots=True)
class CacheResult:
    """An entry, how the caller was served, and the entry's age in seconds."""

    entry: Entry
    outcome: Outcome
    age: float
    coalesced: bool = False
