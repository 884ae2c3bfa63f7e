"""Local time and universal time, for places whose clocks may change.

A local day is its ordinal (`date.toordinal`), a local minute counts from midnight, and a moment
is seconds since the epoch.
"""

import datetime as dt
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

_EPOCH = dt.date(1970, 1, 1).toordinal()
_DAY = 86_400
# A journey is over after so many days.
_JOURNEY_DAYS = 4


class Clocks(Protocol):
    """Turns local time into moments and back."""

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        """The moment of a local minute; one that the clocks skip comes later."""

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        """The local day and minute of a moment."""


class ZoneClocks:
    """The clocks as they are."""

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        midnight = dt.datetime.fromordinal(day)
        local = midnight.replace(hour=minute // 60, minute=minute % 60, tzinfo=zone)
        return int(local.timestamp())

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        local = dt.datetime.fromtimestamp(moment, zone)
        return local.toordinal(), local.hour * 60 + local.minute


class SteadyClocks:
    """Clocks that do not change: much faster, and true on most days."""

    def __init__(self, offsets: dict[ZoneInfo, int]) -> None:
        self._offsets = offsets

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        return (day - _EPOCH) * _DAY + minute * 60 - self._offsets[zone]

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        day, second = divmod(moment + self._offsets[zone], _DAY)
        return day + _EPOCH, second // 60


@lru_cache(maxsize=4096)
def steady_offset(zone: ZoneInfo, day: int) -> int | None:
    """Seconds east of UTC, if the clocks there do not change during a journey from this day."""
    first, last = (
        ZoneClocks().moment(zone, one, 0) - (one - _EPOCH) * _DAY
        for one in (day - 1, day + _JOURNEY_DAYS)
    )
    return -first if first == last else None
