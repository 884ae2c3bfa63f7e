"""How entries, marks and announcements stand in Redis; the scripts in lua/ write them."""

from dataclasses import dataclass
from typing import Final

from api.services.entries import Entry, Failure

_FORMAT: Final = b"1"
_PREFIX: Final = "fp:1:"
CHANNEL: Final = f"{_PREFIX}announcements"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Somebody put this entry, or dropped the one of that time where there is none here."""

    key: str
    fetched_at: float
    entry: Entry | None


# The braces keep the keys of one question in one slot of a Redis Cluster.
def entry_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}"


def lock_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:lock"


def mark_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:mark"


def turn_key(key: str) -> str:
    return f"{_PREFIX}turn:{{{key}}}"


def check_key(number: int) -> str:
    return f"{_PREFIX}check:{number}"


def _unpack(raw: bytes) -> tuple[float, float, float, bytes] | None:
    head, newline, body = raw.partition(b"\n")
    try:
        version, first, second, third = head.split(b" ")
        if version != _FORMAT or not newline:
            return None
        return float(first), float(second), float(third), body
    except ValueError:
        return None


def unpack_entry(raw: bytes) -> Entry | None:
    parts = _unpack(raw)
    if parts is None:
        return None
    fetched_at, stored_at, ttl, body = parts
    return Entry(body, fetched_at, stored_at, ttl)


def unpack_failure(raw: bytes) -> Failure | None:
    parts = _unpack(raw)
    if parts is None:
        return None
    failed_at, pause, tries, body = parts
    return Failure(body, failed_at, pause, int(tries))


def unpack_announcement(raw: bytes) -> Announcement | None:
    key, _, value = raw.partition(b"\n")
    try:
        entry = unpack_entry(value)
        if entry is not None:
            return Announcement(key.decode(), entry.fetched_at, entry)
        return Announcement(key.decode(), float(value), None)
    except ValueError:
        return None  # not ours: the channel is open to all who reach Redis
