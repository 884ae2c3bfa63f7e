"""Arguments and results of the read-through cache."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from api.errors import UpstreamError
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
    """The result of a fetch. ttl: seconds for which it is fresh.

    body: empty if the upstream has nothing.
    """

    body: bytes
    ttl: float


class FetchPostponed(Exception):
    """A patient fetch ended without an outcome, because others go first.

    It has no effect: a caller that joined it fetches by itself.
    """


def no_pause(_tries: int, _error: UpstreamError) -> float:
    """Allow the next fetch at once after a failure."""
    return 0.0


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """What to look up, and how to fetch it.

    key: identifies the entry.
    fetch: calls the upstream; raises UpstreamError.
    observe: called with each cache event as it happens, and with its entry if it has one.
    stale_ttl: seconds after its TTL for which an entry may be served in place of an error, and to
        callers that accept it.
    pause: takes the number of consecutive failures and the last error; returns seconds until the
        next try.
    needs_slot: whether the fetch counts against the limit on concurrent fetches.
    is_patient: whether `fetch` may raise FetchPostponed; the caller gets it then.
    can_read: takes the body of a stored entry; if it returns false, the entry counts as absent.
    """

    key: str
    fetch: Callable[[Deadline], FetchedValue]
    observe: Callable[[Event, Entry | None], None]
    stale_ttl: float = 0.0
    pause: Callable[[int, UpstreamError], float] = no_pause
    needs_slot: bool = True
    is_patient: bool = False
    can_read: Callable[[bytes], bool] = lambda _body: True


@dataclass(frozen=True, slots=True)
class CacheResult:
    """An entry, its age in seconds, and how the caller got it (coalesced: by sharing a fetch)."""

    entry: Entry
    outcome: Outcome
    age: float
    coalesced: bool = False
