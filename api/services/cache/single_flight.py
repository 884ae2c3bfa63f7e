"""Single flight: concurrent callers for one key share one fetch in this process."""

import threading
from dataclasses import dataclass

from api.services.cache.entries import Entry, FailureMarker
from api.services.deadline import Deadline


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """The outcome of a fetch. If it has neither a result nor a bug, its waiters start again.

    by_another_process: whether another process fetched the result.
    bug: the unexpected exception that ended the fetch.
    """

    result: Entry | FailureMarker | None = None
    by_another_process: bool = False
    bug: BaseException | None = None


class PendingFetch:
    """A fetch under way in this process, and the callers that wait for it."""

    __slots__ = ("_is_resolved", "_outcome")

    def __init__(self) -> None:
        self._is_resolved = threading.Event()
        self._outcome = FetchOutcome()

    def resolve(self, outcome: FetchOutcome) -> None:
        """Hand the outcome to all waiters."""
        self._outcome = outcome
        self._is_resolved.set()

    def wait(self, deadline: Deadline) -> FetchOutcome | None:
        """Wait for the outcome. Return None if the deadline passes first.

        Raises the bug that ended the fetch.
        """
        if not self._is_resolved.wait(deadline.remaining()):
            return None
        if self._outcome.bug is not None:
            raise self._outcome.bug
        return self._outcome
