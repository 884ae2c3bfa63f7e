"""Airports and cities: where they are, in which country and time zone.

From the package `airportsdata`, read at the first search and cut down to what is needed, for its
full table would weigh on every process that holds a sandbox.
"""

import math
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import airportsdata

from sandbox.big_airports import RANKS

_EARTH_KM = 6371.0
# City codes that Amadeus knows and the package does not, or not in full.
_MORE_CITIES = {
    "BUH": ("OTP",),
    "CAS": ("CMN",),
    "DTT": ("DTW",),
    "NYC": ("EWR",),
    "STO": ("NYO",),
    "YMQ": ("YUL",),
}


class Airport(NamedTuple):
    """One airport. `rank` says how busy it is: 3 a world hub, 2 large, 1 regional, 0 small."""

    code: str
    city: str
    country: str
    zone: ZoneInfo
    rank: int
    at: tuple[float, float, float]
    """Its place on the unit sphere."""

    def km_to(self, other: "Airport") -> float:
        """Great-circle distance in kilometres."""
        (x, y, z), (other_x, other_y, other_z) = self.at, other.at
        dot = x * other_x + y * other_y + z * other_z
        return _EARTH_KM * math.acos(max(-1.0, min(1.0, dot)))


class Places:
    """Looks up codes. Reads nothing until the first look-up."""

    _lock = threading.Lock()
    _loaded: "tuple[dict[str, Airport], dict[str, list[str]]] | None" = None

    def airports_of(self, code: str) -> Sequence[Airport]:
        """The airports that a city or airport code stands for, busiest first; empty if unknown."""
        airports, cities = self._tables
        codes = cities.get(code) or ([code] if code in airports else [])
        return [airports[one] for one in codes]

    def near(self, code: str, km: float) -> list[str]:
        """The airports within so many kilometres of a city or airport, without its own."""
        own = self.airports_of(code)
        if not km or not own:
            return []
        return [
            other.code
            for other in self._tables[0].values()
            if other not in own and own[0].km_to(other) <= km
        ]

    def airport(self, code: str) -> Airport:
        """One airport. Raises KeyError if it is unknown."""
        return self._tables[0][code]

    @cached_property
    def _tables(self) -> tuple[dict[str, Airport], dict[str, list[str]]]:
        # One copy a process, however many sandboxes there are.
        with Places._lock:
            if Places._loaded is None:
                Places._loaded = _load()
            return Places._loaded


def _load() -> tuple[dict[str, Airport], dict[str, list[str]]]:
    members = {city: set(one["airports"]) for city, one in airportsdata.load_iata_macs().items()}
    for city, codes in _MORE_CITIES.items():
        members.setdefault(city, set()).update(codes)
    cities = {
        city: sorted(codes, key=lambda code: (-RANKS.get(code, 0), code))
        for city, codes in members.items()
    }
    city_of = {code: city for city, codes in cities.items() for code in codes}
    airports = {}
    for code, row in airportsdata.load("IATA").items():
        name = row["tz"]
        if not name:
            continue  # Antarctica
        airports[code] = Airport(
            code,
            city_of.get(code, code),
            row["country"],
            ZoneInfo(name),  # which keeps one of each
            RANKS.get(code, 0),
            _on_sphere(row["lat"], row["lon"]),
        )
    return airports, cities


def _on_sphere(lat: float, lon: float) -> tuple[float, float, float]:
    north, east = math.radians(lat), math.radians(lon)
    return (
        math.cos(north) * math.cos(east),
        math.cos(north) * math.sin(east),
        math.sin(north),
    )
