"""Conversion between local time and UTC, with and without daylight saving time.

A local day is an ordinal (`date.toordinal`), a local minute counts from midnight, and a moment is
in seconds since the epoch.
"""

import datetime as dt
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

_EPOCH = dt.date(1970, 1, 1).toordinal()
_DAY = 86_400
# A journey takes at most this many days.
_JOURNEY_DAYS = 4


class Clocks(Protocol):
    """A converter between local time and moments."""

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        """Return the moment of a local minute. A minute that the clocks skip is moved later."""

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        """Return the local day and minute of a moment."""


class ZoneClocks:
    """Clocks that follow the time zone database."""

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        midnight = dt.datetime.fromordinal(day)
        local = midnight.replace(hour=minute // 60, minute=minute % 60, tzinfo=zone)
        return int(local.timestamp())

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        local = dt.datetime.fromtimestamp(moment, zone)
        return local.toordinal(), local.hour * 60 + local.minute


class SteadyClocks:
    """Clocks with fixed offsets from UTC: much faster, and correct if no clock changes."""

    def __init__(self, offsets: dict[ZoneInfo, int]) -> None:
        self._offsets = offsets

    def moment(self, zone: ZoneInfo, day: int, minute: int) -> int:
        return (day - _EPOCH) * _DAY + minute * 60 - self._offsets[zone]

    def local(self, zone: ZoneInfo, moment: int) -> tuple[int, int]:
        day, second = divmod(moment + self._offsets[zone], _DAY)
        return day + _EPOCH, second // 60


@lru_cache(maxsize=4096)
def steady_offset(zone: ZoneInfo, day: int) -> int | None:
    """Return the offset from UTC in seconds; None if it changes during a journey on this day."""
    first, last = (
        ZoneClocks().moment(zone, one, 0) - (one - _EPOCH) * _DAY
        for one in (day - 1, day + _JOURNEY_DAYS)
    )
    return -first if first == last else None
