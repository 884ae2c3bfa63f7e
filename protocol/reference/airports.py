"""Airports and cities with location, country and time zone.

The data is from the package `airportsdata`. It is loaded at the first search, and only the needed
columns are kept, to save memory.
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

from protocol.reference.airport_sizes import RANKS

_EARTH_KM = 6371.0
# Cities that the package's table leaves out, and Newark and Skavsta: the airports with scheduled
# flights of OpenTravelData (CC BY 4.0, in the package NeoBase 0.37).
_MORE_CITIES = """
ALY HBE
BAK GYD
BOM NMI
BUH OTP BBU
CAS CMN
CTU TFU
DTT DTW
EAP BSL MLH
FMY RSW
GOI GOX
HAR MDT
HFD BDL
IZM ADB
KUL SZB
MDE EOH
MES KNO
MEX NLU TLC
MKC MCI
MLW ROB
MMA MMX
NBO WIL
NHA CXR
NLP MQP
NOU GEA
NQT EMA
NYC EWR
ORL MCO SFB
SAC SMF
SDQ JBQ
SIA XIY
SRZ VVI
STO NYO
TIP MJI
VCE TSF
YAO NSI
YEA YEG
YMQ YUL YHU
"""


class Airport(NamedTuple):
    """One airport. `rank` is 3 for a world hub, 2 for large, 1 for regional, 0 for small."""

    code: str
    city: str
    country: str
    zone: ZoneInfo
    rank: int
    at: tuple[float, float, float]
    """Coordinates on the unit sphere."""

    def km_to(self, other: "Airport") -> float:
        """Return the great-circle distance in kilometres."""
        (x, y, z), (other_x, other_y, other_z) = self.at, other.at
        dot = x * other_x + y * other_y + z * other_z
        return _EARTH_KM * math.acos(max(-1.0, min(1.0, dot)))


class Airports:
    """The airports by code. The data is loaded at the first look-up."""

    _lock = threading.Lock()
    _loaded: "tuple[dict[str, Airport], dict[str, list[str]]] | None" = None

    def airports_of(self, code: str) -> Sequence[Airport]:
        """Return the airports of a city or airport code, busiest first; empty if unknown."""
        airports, cities = self._tables
        codes = cities.get(code) or ([code] if code in airports else [])
        return [airports[one] for one in codes]

    def near(self, code: str, km: float) -> list[str]:
        """Return the codes of other airports within a distance of a city or airport."""
        own = self.airports_of(code)
        if not km or not own:
            return []
        return [
            other.code
            for other in self._tables[0].values()
            if other not in own and own[0].km_to(other) <= km
        ]

    def airport(self, code: str) -> Airport:
        """Return an airport. Raises KeyError if the code is unknown."""
        return self._tables[0][code]

    @cached_property
    def _tables(self) -> tuple[dict[str, Airport], dict[str, list[str]]]:
        # All servers of a process share one copy.
        with Airports._lock:
            if Airports._loaded is None:
                Airports._loaded = _load()
            return Airports._loaded


def _load() -> tuple[dict[str, Airport], dict[str, list[str]]]:
    members: defaultdict[str, set[str]] = defaultdict(set)
    for row in _rows("iata_macs.csv"):
        members[row["City Code"]].add(row["Airport Code"])
    for line in _MORE_CITIES.strip().splitlines():
        city, *codes = line.split()
        members[city].update(codes)
    city_of = {code: city for city, codes in members.items() for code in codes}
    airports = {
        row["iata"]: Airport(
            row["iata"],
            city_of.get(row["iata"], row["iata"]),
            sys.intern(row["country"]),
            ZoneInfo(row["tz"]),  # cached by ZoneInfo
            RANKS.get(row["iata"], 0),
            _on_sphere(float(row["lat"]), float(row["lon"])),
        )
        for row in _rows("airports.csv")
        if row["iata"] and row["tz"]  # airports in Antarctica have no time zone
    }
    cities = {
        # A code may name both a city and one of its airports. The package's table does not always
        # list that airport: of JNB it has only HLA.
        city: sorted({city, *codes} & airports.keys(), key=lambda code: (-RANKS.get(code, 0), code))
        for city, codes in members.items()
    }
    return airports, cities


def _rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table of the package.

    The package's own `load` keeps a dictionary for each row: 10 MB more in each process.
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
