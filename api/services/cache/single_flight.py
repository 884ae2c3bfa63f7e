"""One search for an answer, shared by all in this process who want it."""

import threading
from dataclasses import dataclass

from api.services.cache.entries import Entry, Failure
from api.services.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Landing:
    """What a flight brought; without it, whoever needs an answer starts anew.

    by_another_process: whether it was fetched elsewhere while this flight waited for it.
    mistake: what ended the flight instead, and should not have.
    """

    found: Entry | Failure | None = None
    by_another_process: bool = False
    mistake: BaseException | None = None


class Flight:
    """One search for an answer under way in this process, for all who wait for it."""

    __slots__ = ("_landed", "_landing")

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._landing = Landing()

    def land(self, landing: Landing) -> None:
        """Let all who wait go on."""
        self._landing = landing
        self._landed.set()

    def wait(self, deadline: Deadline) -> Landing | None:
        """What it brought; None if the deadline passes first."""
        return self._landing if self._landed.wait(deadline.remaining()) else None
