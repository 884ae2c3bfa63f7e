"""Fetches many days with low priority.

The searches are patient, and a fetch starts only when there is room for it: a slot of this process,
and a turn. Until then the day has no place in the queue and holds no lock, so that a reader who
wants it goes first. Where no rate limit is set, MAX_UNDER_WAY days of a calendar are under way at a
time.
"""

import datetime as dt
import threading
from collections.abc import Callable, Generator, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from random import SystemRandom
from typing import Final, NamedTuple, Protocol

from api.errors import AmadeusTimeout, FlightPriceError, NotInTime
from api.models import PriceQuery
from api.services.cache.read_through import ReadThrough, timeout_error
from api.services.cache.requests import CacheRequest, CacheResult, FetchPostponed
from api.services.deadline import Deadline, Patience
from api.services.slots import Slots
from api.telemetry.events import Event

MAX_UNDER_WAY: Final = 8
# How long a day waits before it looks again for a slot, or for the room that another one took.
PAUSE_SECONDS: Final = (0.05, 0.1)
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
        self._queries = queries
        self._deadline = deadline
        self._max_age = max_age
        self._waiting: SimpleQueue[_Day | None] = SimpleQueue()
        self._ended: SimpleQueue[tuple[PriceQuery, CacheResult | BaseException]] = SimpleQueue()
        has_turns = fetcher.upstream.interval is not None
        self._places = threading.Semaphore(len(queries) if has_turns else MAX_UNDER_WAY)
        # The days for which somebody called Amadeus, or may do so.
        self._asked: set[dt.date] = set()
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    def outcomes(
        self,
    ) -> Generator[tuple[PriceQuery, CacheResult | FlightPriceError], None, None]:
        """Yield each day with its outcome, in the order in which they are known.

        If the iteration ends early, no other fetch starts; those under way finish and are kept.
        """
        if not self._queries:
            return
        unresolved = {query.date: query for query in self._queries}
        for query in self._queries:
            self._waiting.put(self._day(query))
        _start_thread("calendar", self._start_all)
        try:
            while unresolved:
                try:  # at the deadline, take what is there
                    query, outcome = self._ended.get(timeout=self._deadline.remaining())
                except Empty:
                    break
                if not isinstance(outcome, CacheResult | FlightPriceError):
                    raise outcome
                del unresolved[query.date]
                yield query, outcome
            for query in unresolved.values():
                yield query, self._too_late(query, timeout_error())
        finally:
            self._is_over.set()
            self._waiting.put(None)

    def _start_all(self) -> None:
        """Start the days one after the other. A postponed day comes back to the end of the line."""
        while (day := self._waiting.get()) is not None and not self._is_over.is_set():
            self._places.acquire()
            try:
                self._start_with_room(day)
            except Exception as error:  # noqa: BLE001 - the reader of the outcomes raises a bug
                self._places.release()
                self._ended.put((day.query, error))

    def _start_with_room(self, day: "_Day") -> None:
        """Start a day once there is room for it. Raises UpstreamError."""
        upstream, read_through = self._fetcher.upstream, self._fetcher.read_through
        interval = upstream.interval or 0.0
        with self._fetcher.looking.hold():
            while not self._is_over.is_set() and not self._needs_no_call(day):
                seconds = upstream.room_in(Deadline(read_through.fetches.timeout))
                if not seconds and read_through.fetches.has_room:
                    self._start(day)
                    # It takes its turn after a moment; if it waits for a lock, it takes none.
                    day.has_moved.wait(interval or PAUSE_SECONDS[0])
                    return
                # Processes that look at different times take each other's room less often.
                self._pause((seconds, seconds + interval) if seconds else PAUSE_SECONDS)
        self._asked.add(day.query.date)  # by another request
        self._start(day)

    def _needs_no_call(self, day: "_Day") -> bool:
        """Return whether the day was fetched meanwhile, or is being fetched in this process."""
        read_through = self._fetcher.read_through
        if read_through.fetches.is_under_way(day.request.key):
            return True
        known = read_through.known(day.request, self._max_age, touch=False)
        return known is not None and known.entry.seconds_left(known.age, self._max_age) > 0

    def _start(self, day: "_Day") -> None:
        if not self._is_over.is_set():
            _start_thread("day", partial(self._fetch, day))

    def _fetch(self, day: "_Day") -> None:
        deadline = Deadline(self._deadline.remaining() - ANSWER_SECONDS)
        try:
            result = self._fetcher.read_through.read(
                day.request, deadline, max_age=self._max_age, refresh_ahead=False
            )
        except FetchPostponed:
            day.has_moved.set()
            self._asked.discard(day.query.date)
            self._pause(PAUSE_SECONDS)
            self._waiting.put(self._day(day.query, is_first=False))
        except AmadeusTimeout as error:
            self._ended.put((day.query, self._too_late(day.query, error)))
        except BaseException as error:  # noqa: BLE001 - the reader of the outcomes raises a bug
            self._ended.put((day.query, error))
        else:
            self._ended.put((day.query, result))
        finally:
            day.has_moved.set()
            self._places.release()

    def _day(self, query: PriceQuery, *, is_first: bool = True) -> "_Day":
        """Return a day to start. is_first: whether it was not started before."""
        has_moved = threading.Event()
        patience = Patience(has_moved.set, partial(self._called, query))
        request = self._fetcher.request_for(query, patience)
        if not is_first:  # a second miss would be the same one
            observe = request.observe
            request = replace(
                request,
                observe=lambda event, entry: (
                    None if event is Event.CACHE_MISS else observe(event, entry)
                ),
            )
        return _Day(query, request, has_moved)

    def _pause(self, seconds: tuple[float, float]) -> None:
        self._is_over.wait(SystemRandom().uniform(*seconds))

    def _called(self, query: PriceQuery) -> None:
        with self._lock:
            self.calls += 1
            self._asked.add(query.date)

    def _too_late(self, query: PriceQuery, error: AmadeusTimeout) -> FlightPriceError:
        """Return why a day has no outcome: the error, or that nobody asked Amadeus for it."""
        if query.date in self._asked:
            return error
        return NotInTime("The time limit of this request passed before the turn of this day.")


class _Day(NamedTuple):
    """A start of a day. has_moved: whether it has taken its turn, or ended."""

    query: PriceQuery
    request: CacheRequest
    has_moved: threading.Event


def _start_thread(name: str, run: Callable[[], None]) -> None:
    """Start a thread whose log lines name the request."""
    threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
