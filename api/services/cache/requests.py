"""What a read-through is asked, and what it answers."""

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
class Fetched:
    """What a fetch brings home, and for how many seconds it is good."""

    body: bytes
    ttl: float


def no_pause(_tries: int) -> float:
    """Whoever comes after a failure may try at once."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and how its answer is found.

    fetch: asks the upstream; raises UpstreamError.
    observe: told of each event (a miss, a bypass, what was stored and so on) as it happens, with
        the entry where there is one.
    stale_ttl: seconds beyond its TTL in which an entry may stand in for a failure.
    pause: seconds in which nobody tries again, by the number of failures in a row.
    waits_in_line: whether it is fetched only once few enough others are.
    """

    key: str
    fetch: Callable[[Deadline], Fetched]
    observe: Callable[[Event, Entry | None], None]
    stale_ttl: float = 0.0
    refresh_from: float = 0.9
    pause: Callable[[int], float] = no_pause
    waits_in_line: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """An entry, how it was come by, and its age in seconds."""

    entry: Entry
    outcome: Outcome
    age: float
    coalesced: bool = False
