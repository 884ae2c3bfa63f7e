"""Airports and cities: where they are, in which country and time zone.

From the package `airportsdata`, read at the first search and cut down to what is needed, for its
full table would weigh on every process that holds a sandbox.
"""

import csv
import math
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

import airportsdata

from sandbox.world.airport_sizes import RANKS

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


class Airports:
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
        with Airports._lock:
            if Airports._loaded is None:
                Airports._loaded = _load()
            return Airports._loaded


def _load() -> tuple[dict[str, Airport], dict[str, list[str]]]:
    members: defaultdict[str, set[str]] = defaultdict(set)
    for row in _rows("iata_macs.csv"):
        members[row["City Code"]].add(row["Airport Code"])
    for city, codes in _MORE_CITIES.items():
        members[city].update(codes)
    city_of = {code: city for city, codes in members.items() for code in codes}
    airports = {
        row["iata"]: Airport(
            row["iata"],
            city_of.get(row["iata"], row["iata"]),
            sys.intern(row["country"]),
            ZoneInfo(row["tz"]),  # which keeps one of each
            RANKS.get(row["iata"], 0),
            _on_sphere(float(row["lat"]), float(row["lon"])),
        )
        for row in _rows("airports.csv")
        if row["iata"] and row["tz"]  # Antarctica has none
    }
    cities = {
        city: sorted(codes & airports.keys(), key=lambda code: (-RANKS.get(code, 0), code))
        for city, codes in members.items()
    }
    return airports, cities


def _rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table of the package, one at a time.

    Its own `load` makes a dictionary of each row and keeps them all: 10 MB more in each process.
    """
    with (files(airportsdata) / name).open(encoding="utf-8") as table:
        yield from csv.DictReader(table)


def _on_sphere(lat: float, lon: float) -> tuple[float, float, float]:
    north, east = math.radians(lat), math.radians(lon)
    return (
        math.cos(north) * math.cos(east),
        math.cos(north) * math.sin(east),
        math.sin(north),
    )
