"""Keys and values in Redis. The scripts in lua/ write the values in the format of common.lua."""

import re
from dataclasses import dataclass
from typing import Final

from api.services.cache.entries import Entry, FailureMarker

_HEAD: Final = re.compile(rb"1 ([0-9]+\.[0-9]+) ([0-9]+\.[0-9]+) ([0-9]+\.?[0-9]*)\n")
# Above every time in our format (as a time, it is in the year 2286).
_MAX: Final = 1e10
_PREFIX: Final = "fp:1:"
CHANNEL: Final = f"{_PREFIX}announcements"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A put; or, if `entry` is None, a drop of the entry with this `fetched_at`."""

    key: str
    fetched_at: float
    entry: Entry | None


# The braces (a hash tag) keep the keys of one entry in the same slot of a Redis Cluster.
def entry_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}"


def lock_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:lock"


def marker_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:mark"


def reads_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:reads"


def turn_key(key: str) -> str:
    return f"{_PREFIX}turn:{{{key}}}"


def check_key(number: int) -> str:
    return f"{_PREFIX}check:{number}"


def _unpack(raw: bytes) -> tuple[bytes, float, float, float] | None:
    """Return body and numbers; None if lua/common.lua would not read the value either."""
    head = _HEAD.match(raw)
    if head is None:
        return None
    first, second, third = map(float, head.groups())
    return (raw[head.end() :], first, second, third) if max(first, second, third) < _MAX else None


def unpack_entry(raw: bytes) -> Entry | None:
    parts = _unpack(raw)
    return Entry(*parts) if parts else None


def unpack_marker(raw: bytes) -> FailureMarker | None:
    parts = _unpack(raw)
    if parts is None:
        return None
    body, failed_at, pause, tries = parts
    return FailureMarker(body, failed_at, pause, int(tries))


def unpack_announcement(raw: bytes) -> Announcement | None:
    key, _, value = raw.partition(b"\n")
    try:
        entry = unpack_entry(value)
        if entry is not None:
            return Announcement(key.decode(), entry.fetched_at, entry)
        return Announcement(key.decode(), float(value), None)
    except ValueError:
        return None  # any client of Redis can publish on the channel
