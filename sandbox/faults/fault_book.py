"""Which faults are set, for which requests, and for how many of them."""

import re
import threading
from dataclasses import dataclass, replace
from typing import Any

from sandbox.config import COUNTS, whole_number
from sandbox.errors import Leg
from sandbox.faults.kinds import ARGUMENT_CHECKS, names_for

_OPTION = re.compile(
    r"(?P<leg>[a-z]+):(?P<name>[a-z0-9_]+?)(=(?P<arg>.*?))?(x(?P<count>[0-9]+))?", re.DOTALL
)


_CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a search goes; the fields are None where the request does not say."""

    origin: str | None = None
    destination: str | None = None
    date: str | None = None

    def __str__(self) -> str:
        return "-".join(part or "?" for part in (self.origin, self.destination, self.date))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what is played, where, and for how many more requests (None: until changed).

    Raises ValueError, with a sentence for people, when it makes no sense.
    """

    leg: Leg
    name: str
    arg: str | None = None
    count: int | None = None
    origin: str | None = None
    destination: str | None = None

    def __post_init__(self) -> None:
        if self.leg not in {"token", "search"}:
            raise ValueError(f"leg must be token or search, not {self.leg!r}")
        names = names_for(self.leg)
        if self.name not in names:
            raise ValueError(
                f"unknown fault {self.name!r} for the {self.leg} leg; the faults are: "
                + ", ".join(sorted(names))
            )
        check = ARGUMENT_CHECKS.get(self.name)
        if check is not None:
            check(self.arg)
        elif self.arg is not None:
            raise ValueError(f"the fault {self.name} must not have an argument")
        if self.count is not None:
            whole_number("count", self.count, COUNTS[1:])
        for code in (self.origin, self.destination):
            if code is not None and not _CODE.fullmatch(code):
                raise ValueError(f"origin and destination must be codes like JFK, not {code!r}")
        if self.leg == "token" and (self.origin or self.destination):
            raise ValueError("only a fault of the search leg may have an origin or a destination")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `LEG:NAME[=ARG][xCOUNT]`, as in `search:status=429:38194x3`.

        Raises ValueError, with a sentence for people.
        """
        match = _OPTION.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} must have the form LEG:NAME[=ARG][xCOUNT], like search:hang=5x2"
            )
        leg, count = match["leg"], match["count"]
        return cls(leg, match["name"], match["arg"], int(count) if count else None)  # type: ignore[arg-type]

    def hits(self, leg: Leg, route: Route | None) -> bool:
        """Whether it is for this request."""
        if leg != self.leg:
            return False
        if self.origin is None and self.destination is None:
            return True
        return route is not None and (
            self.origin in {None, route.origin} and self.destination in {None, route.destination}
        )

    def precision(self) -> int:
        """How narrowly it is aimed."""
        return (self.origin is not None) + (self.destination is not None)

    def target(self) -> tuple[str, str | None, str | None]:
        """What it is for; of two faults for the same, the later replaces the earlier."""
        return (self.leg, self.origin, self.destination)

    def as_json(self) -> dict[str, Any]:
        """The form in which the admin URLs show it."""
        shown = {"leg": self.leg, "fault": self.name, "arg": self.arg, "count": self.count}
        if self.origin or self.destination:
            shown |= {"origin": self.origin, "destination": self.destination}
        return shown


class FaultBook:
    """The faults that are set. A fault for one route goes before one for all."""

    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: dict[tuple[str, str | None, str | None], Fault] = {}
        for text in faults:
            self.set(Fault.parse(text))

    def set(self, fault: Fault) -> None:
        """Add it; it replaces one for the same leg and route."""
        with self._lock:
            self._faults[fault.target()] = fault

    def clear(self) -> None:
        """Play nothing any more."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """Those still to be played."""
        with self._lock:
            return list(self._faults.values())

    def take(self, leg: Leg, route: Route | None) -> Fault | None:
        """The fault to play on this request, counted down; None for an honest answer."""
        if not self._faults:
            return None
        with self._lock:
            hits = [fault for fault in self._faults.values() if fault.hits(leg, route)]
            if not hits:
                return None
            fault = max(hits, key=Fault.precision)
            if fault.count == 1:
                del self._faults[fault.target()]
            elif fault.count is not None:
                self._faults[fault.target()] = replace(fault, count=fault.count - 1)
            return fault
