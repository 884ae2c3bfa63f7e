"""The active faults: for which requests, and for how many of them."""

import re
import threading
from dataclasses import dataclass, replace
from typing import Any

from sandbox.config import COUNTS, whole_number
from sandbox.documented import Leg
from sandbox.faults.kinds import ARGUMENT_CHECKS, names_for

_OPTION = re.compile(
    r"(?P<leg>[a-z]+):(?P<name>[a-z0-9_]+?)(=(?P<arg>.*?))?(x(?P<count>[0-9]+))?", re.DOTALL
)
_CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Route:
    """Origin, destination and date of a search; None for what the request does not state."""

    origin: str | None = None
    destination: str | None = None
    date: str | None = None

    def __str__(self) -> str:
        return "-".join(part or "?" for part in (self.origin, self.destination, self.date))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the requests that it applies to.

    count: number of further requests; None means until the fault is changed.

    Raises ValueError with a message for the user if it is invalid.
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
        """Parse `LEG:NAME[=ARG][xCOUNT]`, as in `search:status=429:38194x3`.

        Raises ValueError with a message for the user.
        """
        match = _OPTION.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} must have the form LEG:NAME[=ARG][xCOUNT], like search:hang=5x2"
            )
        leg, count = match["leg"], match["count"]
        return cls(leg, match["name"], match["arg"], int(count) if count else None)  # type: ignore[arg-type]

    def applies_to(self, leg: Leg, route: Route | None) -> bool:
        """Return whether the fault is for this request."""
        if leg != self.leg:
            return False
        if self.origin is None and self.destination is None:
            return True
        return route is not None and (
            self.origin in {None, route.origin} and self.destination in {None, route.destination}
        )

    def precision(self) -> int:
        """Return how specific the fault is: the number of airports that it names."""
        return (self.origin is not None) + (self.destination is not None)

    def target(self) -> tuple[str, str | None, str | None]:
        """Return the key of the fault. A new fault replaces the one with the same key."""
        return (self.leg, self.origin, self.destination)

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the admin URLs show it."""
        shown = {"leg": self.leg, "fault": self.name, "arg": self.arg, "count": self.count}
        if self.origin or self.destination:
            shown |= {"origin": self.origin, "destination": self.destination}
        return shown


class FaultBook:
    """The active faults. A fault for one route takes precedence over one for all routes."""

    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: dict[tuple[str, str | None, str | None], Fault] = {}
        for text in faults:
            self.set(Fault.parse(text))

    def set(self, fault: Fault) -> None:
        """Add a fault. It replaces the one for the same endpoint and route."""
        with self._lock:
            self._faults[fault.target()] = fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """Return all active faults."""
        with self._lock:
            return list(self._faults.values())

    def take(self, leg: Leg, route: Route | None) -> Fault | None:
        """Return the fault for this request and decrease its count; None for a correct answer."""
        if not self._faults:
            return None
        with self._lock:
            matching = [fault for fault in self._faults.values() if fault.applies_to(leg, route)]
            if not matching:
                return None
            fault = max(matching, key=Fault.precision)
            if fault.count == 1:
                del self._faults[fault.target()]
            elif fault.count is not None:
                self._faults[fault.target()] = replace(fault, count=fault.count - 1)
            return fault
