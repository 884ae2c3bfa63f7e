"""Fetches many days without being in anybody's way.

The searches are patient, and a fetch starts only when its search would find room at once. Until
then the day waits beside the queue and holds no lock, so that a reader who wants it goes first.
Where no rate limit is set, MAX_UNDER_WAY fetches of a calendar are under way at a time.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from random import uniform
from typing import Final, Protocol

from api.errors import AmadeusTimeout, FlightPriceError, NotInTime
from api.models import PriceQuery
from api.services.cache.entries import Entry
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, FetchPostponed
from api.services.deadline import Deadline, Patience
from api.services.slots import Slots
from api.telemetry.events import Event

MAX_UNDER_WAY: Final = 8
# A fetch under way is given up so long before the deadline, to answer by the deadline.
ANSWER_SECONDS: Final = 0.25


class Upstream(Protocol):
    """What a fetch must know before it starts."""

    @property
    def interval(self) -> float | None:
        """Seconds from one turn to the next; None if no rate limit is set."""

    def room_in(self, deadline: Deadline) -> float:
        """Return the seconds until a patient search may take a turn. Raises UpstreamError."""


class PatientFetcher:
    """What the fetches for all calendars of this process share."""

    def __init__(
        self,
        read_through: ReadThrough,
        request_for: Callable[[PriceQuery, Patience], CacheRequest],
        upstream: Upstream,
    ) -> None:
        """Create the fetcher. request_for: returns the cache request of a patient search."""
        self.read_through = read_through
        self.request_for = request_for
        self.upstream = upstream
        # One day looks for room while the others wait in line, so that looking stays cheap.
        self.looking = Slots(1)


class PatientFetches:
    """The fetches for one calendar. calls: the number of calls to Amadeus that they caused."""

    def __init__(
        self,
        fetcher: PatientFetcher,
        queries: Sequence[PriceQuery],
        deadline: Deadline,
        max_age: int | None,
    ) -> None:
        """Start nothing yet; `outcomes` does."""
        self.calls = 0
        self._fetcher = fetcher
        self._deadline = deadline
        self._max_age = max_age
        self._days = [_Day(fetcher, query, self._count) for query in queries]
        self._waiting: SimpleQueue[_Day | None] = SimpleQueue()
        self._ended: SimpleQueue[tuple[_Day, CacheResult | BaseException]] = SimpleQueue()
        self._free = threading.Semaphore(MAX_UNDER_WAY)
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    def outcomes(
        self,
    ) -> Generator[tuple[PriceQuery, CacheResult | FlightPriceError], None, None]:
        """Yield each day with its outcome, in the order in which they are known.

        If the iteration ends early, no other fetch starts; those under way finish and are kept.
        """
        if not self._days:
            return
        unresolved = dict.fromkeys(self._days)
        for day in self._days:
            self._waiting.put(day)
        _start_thread("calendar", self._start_all)
        try:
            while unresolved and (left := self._deadline.remaining()):
                with suppress(Empty):
                    day, outcome = self._ended.get(timeout=left)
                    if not isinstance(outcome, CacheResult | FlightPriceError):
                        raise outcome
                    del unresolved[day]
                    yield day.query, outcome
            for day in unresolved:
                yield day.query, day.too_late()
        finally:
            self._is_over.set()
            self._waiting.put(None)

    def _start_all(self) -> None:
        """Start the days one after the other. A postponed day comes back to the end of the line."""
        while (day := self._waiting.get()) is not None and not self._is_over.is_set():
            try:
                self._start_with_room(day)
            except Exception as error:  # noqa: BLE001 - the reader of the outcomes raises a bug
                self._ended.put((day, error))

    def _start_with_room(self, day: "_Day") -> None:
        """Start a day once there is room for its search. Raises UpstreamError."""
        upstream = self._fetcher.upstream
        if upstream.interval is None:
            self._free.acquire()
            self._start(day)
            return
        with self._fetcher.looking.hold():
            while not self._is_over.is_set() and not self._needs_no_call(day):
                seconds = upstream.room_in(Deadline(self._fetcher.read_through.fetch_timeout))
                if not seconds:
                    self._start(day)
                    # Its turn is given out after a moment; if it waits for a lock, there is none.
                    day.has_moved.wait(upstream.interval)
                    return
                # Processes that look at different times take each other's room less often.
                self._is_over.wait(uniform(seconds, seconds + upstream.interval))  # noqa: S311
        self._start(day)

    def _needs_no_call(self, day: "_Day") -> bool:
        """Return whether the day was fetched meanwhile, or is being fetched in this process."""
        read_through = self._fetcher.read_through
        if read_through.is_under_way(day.request.key):
            return True
        known = read_through.known(day.request, self._max_age)
        return known is not None and seconds_left(known.entry, known.age, self._max_age) > 0

    def _start(self, day: "_Day") -> None:
        if not self._is_over.is_set():
            day.is_under_way = True
            day.has_moved.clear()
            _start_thread("day", partial(self._fetch, day))

    def _fetch(self, day: "_Day") -> None:
        deadline = Deadline(self._deadline.remaining() - ANSWER_SECONDS)
        try:
            result = self._fetcher.read_through.read(
                day.request, deadline, max_age=self._max_age, refresh_ahead=False
            )
        except FetchPostponed:
            day.postpone()
            self._waiting.put(day)
        except BaseException as error:  # noqa: BLE001 - the reader of the outcomes raises a bug
            self._ended.put((day, error))
        else:
            self._ended.put((day, result))
        finally:
            day.has_moved.set()
            self._free.release()

    def _count(self) -> None:
        with self._lock:
            self.calls += 1


class _Day:
    """A day to fetch. has_moved: whether it has taken its turn, or ended."""

    def __init__(
        self, fetcher: PatientFetcher, query: PriceQuery, count: Callable[[], None]
    ) -> None:
        self.query = query
        self.is_under_way = False
        self.has_moved = threading.Event()
        self.request = fetcher.request_for(query, Patience(self.has_moved.set, count))

    def postpone(self) -> None:
        """Go back beside the queue. A second miss would be the same one."""
        observe = self.request.observe
        self.is_under_way = False
        self.request = replace(
            self.request,
            observe=lambda event, entry: (
                None if event is Event.CACHE_MISS else observe(event, entry)
            ),
        )

    def too_late(self) -> FlightPriceError:
        """Return why the day has no outcome at the deadline."""
        if self.is_under_way:
            return AmadeusTimeout("Amadeus did not answer within the time limit of this request.")
        return NotInTime("The time limit of this request passed before the turn of this day.")


def seconds_left(entry: Entry, age: float, max_age: int | None) -> float:
    """Return for how long an entry serves a calendar. "No offers" is served for its TTL only."""
    return (entry.ttl if max_age is None or not entry.body else max_age) - age


def _start_thread(name: str, run: Callable[[], None]) -> None:
    """Start a thread whose log lines name the request."""
    threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
