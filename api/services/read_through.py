"""One read-through with one rule.

    An entry serves a caller if `fetched_at >= not_before` and `fetched_at + ttl > arrived`.
    If none does, exactly one caller fetches, and all whom that fetch serves share it.

`not_before` is 0 for an ordinary read, the arrival for a forced one (nocache), and just after
the present `fetched_at` for a refresh ahead and for a rejected token.

There are two rings. In the process, the callers of a key share one `Flight`. Across processes,
the flight's leader holds the store's lock, or polls until the entry is there or the lock free.
A failure is never kept as an answer. It leaves a short mark in the store that answers all who
were already waiting; while the mark stands, a stale entry is served at once.

Neither Redis nor Amadeus is known here.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum, auto
from random import uniform
from typing import Final, Protocol

from cachetools import TTLCache

from api.errors import AmadeusTimeout, UpstreamError, dump_upstream_error
from api.services.deadline import Deadline
from api.services.entries import TICK, Entry, Failure, Granted, Turn, Waiting
from api.services.questions import Answer, Moment, Outcome, Question
from api.tracing import span

POLL_SECONDS: Final = (0.055, 0.070)
LOCK_RENEWAL_SECONDS: Final = 1.0
REFRESH_PAUSE_SECONDS: Final = 1.0
REFRESHES_AT_ONCE: Final = 32


class Store(Protocol):
    """Where entries, locks and marks are. Each call is atomic."""

    def now(self) -> float:
        """The store's time as far as it is known here; good to a few milliseconds."""

    def time(self) -> float:
        """The store's time, asked for."""

    def get(self, key: str) -> Entry | None:
        """The entry, fresh or stale; one from the future counts as absent."""

    def failure(self, key: str) -> Failure | None:
        """The mark of the last failure, while it stands."""

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Turn:
        """An entry that serves the caller, a failure that answers it, or the lock if it is free.

        In the background nobody waits for the outcome: a failure is no answer, and refuses the
        lock for a second at least.
        """

    def renew(self, key: str, owner: str) -> None:
        """Give the lock, and a mark that stands, their full life again."""

    def release(self, key: str, owner: str) -> None:
        """Give the lock back without an outcome."""

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        """Store unless what is there is newer, give the lock back, and return what is there."""

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> Failure:
        """Leave a mark and give the lock back."""

    def drop(self, key: str, fetched_at: float) -> None:
        """Delete the entry if it is the one of that time."""


class Source(Enum):
    """Where a flight found what it brought."""

    STORE = auto()
    FETCH = auto()
    ANOTHER_CALLER = auto()
    ANOTHER_PROCESS = auto()


class Flight:
    """One search for an answer under way in this process, and all who wait for it."""

    __slots__ = ("_landed", "_outcome")

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._outcome: Entry | Failure | None = None

    def land(self, outcome: Entry | Failure | None) -> None:
        """`None`: it ended without one, and whoever still needs an answer starts anew."""
        self._outcome = outcome
        self._landed.set()

    def wait(self, deadline: Deadline) -> Entry | Failure | None:
        """The outcome. Raises AmadeusTimeout if the deadline passes first."""
        if not self._landed.wait(deadline.remaining()):
            raise _too_late()
        return self._outcome


class ReadThrough:
    """Answers from a store, or fetched by one for all.

    patience: seconds that a fetch in the background may take.
    """

    def __init__(self, store: Store, patience: float) -> None:
        self._store = store
        self._patience = patience
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._refreshed_lately: TTLCache[str, bool] = TTLCache(10_000, REFRESH_PAUSE_SECONDS)
        self._refreshes = threading.BoundedSemaphore(REFRESHES_AT_ONCE)

    def read(self, question: Question, deadline: Deadline) -> Answer:
        """The answer: what the store has, else what is fetched, else a stale entry.

        Raises UpstreamError: the fetch's own, or AmadeusTimeout if the deadline passes first.
        """
        arrived = self._store.now()
        entry = self._store.get(question.key)
        if entry is not None:
            if entry.is_fresh(arrived):
                return self._hit(question, entry, arrived)
            failure = self._store.failure(question.key)
            if failure is not None and _may_stand_in(question, entry, failure, arrived):
                self._refresh_in_background(question, entry)
                return self._stale(question, entry, arrived)
        question.observe(Moment.MISS, None)
        return self._shared(question, deadline, Outcome.MISS, 0.0, arrived)

    def read_forced(self, question: Question, deadline: Deadline) -> Answer:
        """An answer whose fetch began after this call; raises as `read`, and is never stale."""
        arrived = self._store.time()
        question.observe(Moment.BYPASS, None)
        return self._shared(question, deadline, Outcome.BYPASS, arrived, arrived)

    def read_newer(self, question: Question, fetched_at: float, deadline: Deadline) -> Answer:
        """An answer newer than the one of `fetched_at`; raises as `read`."""
        arrived = self._store.now()
        return self._shared(question, deadline, Outcome.MISS, fetched_at + TICK, arrived)

    def refresh(self, question: Question, entry: Entry) -> None:
        """Fetch the successor of an entry in this thread, unless somebody does so already.

        A failure is not raised; its mark stands in the store.
        """
        flight, leads = self._board(question.key)
        if leads:
            self._fly(question, flight, entry.fetched_at + TICK, self._store.now(), None)

    def age_of(self, entry: Entry) -> float:
        """Seconds since the entry was fetched."""
        return max(0.0, self._store.now() - entry.fetched_at)

    def _hit(self, question: Question, entry: Entry, arrived: float) -> Answer:
        question.observe(Moment.HIT, entry)
        if arrived >= entry.fetched_at + entry.ttl * question.refresh_from:
            self._refresh_in_background(question, entry)
        return Answer(entry, Outcome.HIT, age=max(0.0, arrived - entry.fetched_at))

    def _stale(self, question: Question, entry: Entry, now: float) -> Answer:
        question.observe(Moment.STALE, entry)
        return Answer(entry, Outcome.STALE, age=now - entry.fetched_at)

    def _shared(
        self,
        question: Question,
        deadline: Deadline,
        outcome: Outcome,
        not_before: float,
        arrived: float,
    ) -> Answer:
        """Lead a flight or join the one under way, until one brings what serves this caller."""
        coalesced = False
        while True:
            flight, leads = self._board(question.key)
            if leads:
                found, source = self._fly(question, flight, not_before, arrived, deadline)
                coalesced |= source is Source.ANOTHER_PROCESS
            else:
                if not coalesced:
                    question.observe(Moment.COALESCED, None)
                with span("lock wait"):
                    found, source = flight.wait(deadline), Source.ANOTHER_CALLER
                coalesced = True
            own = source is Source.FETCH
            if isinstance(found, Failure) and (own or found.answers(arrived)):
                return self._instead_of_answer(question, found, outcome)
            # A fetch of our own serves us, whatever the clocks say.
            if isinstance(found, Entry) and (own or found.serves(not_before, arrived)):
                return Answer(found, outcome, self.age_of(found), coalesced)
            if not deadline.remaining():
                raise _too_late()

    def _instead_of_answer(self, question: Question, failure: Failure, outcome: Outcome) -> Answer:
        """The stale entry where it may stand in for the failure; else the failure's error."""
        if outcome is not Outcome.BYPASS:
            entry = self._store.get(question.key)
            now = self._store.now()
            if entry is not None and _may_stand_in(question, entry, failure, now):
                return self._stale(question, entry, now)
        raise failure.error()

    def _board(self, key: str) -> tuple[Flight, bool]:
        """The key's flight, and whether the caller leads it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def _fly(
        self,
        question: Question,
        flight: Flight,
        not_before: float,
        arrived: float,
        deadline: Deadline | None,
    ) -> tuple[Entry | Failure | None, Source]:
        """Lead a flight to its end. `None`: without a deadline, there was nothing to do."""
        found: Entry | Failure | None = None
        try:
            found, source = self._obtain(question, not_before, arrived, deadline)
            return found, source
        finally:
            with self._lock:
                del self._flights[question.key]
            flight.land(found)

    def _obtain(
        self, question: Question, not_before: float, arrived: float, deadline: Deadline | None
    ) -> tuple[Entry | Failure | None, Source]:
        """Poll the store until it answers or grants the lock; without a deadline, ask once."""
        owner = uuid.uuid4().hex
        source = Source.STORE
        with ExitStack() as waiting:
            while True:
                turn = self._store.claim(
                    question.key, owner, not_before, arrived, background=deadline is None
                )
                if isinstance(turn, Granted):
                    waiting.close()
                    return self._fetch(question, owner, turn, deadline), Source.FETCH
                if not isinstance(turn, Waiting):
                    return turn, source
                if deadline is None:
                    return None, source
                if source is Source.STORE:
                    question.observe(Moment.COALESCED, None)
                    waiting.enter_context(span("lock wait"))
                    source = Source.ANOTHER_PROCESS
                if not deadline.remaining():
                    raise _too_late()
                time.sleep(min(uniform(*POLL_SECONDS), deadline.remaining()))  # noqa: S311

    def _fetch(
        self, question: Question, owner: str, grant: Granted, deadline: Deadline | None
    ) -> Entry | Failure:
        key = question.key
        with self._lock_kept(key, owner):
            try:
                fetched = question.fetch(deadline or Deadline(self._patience))
            except UpstreamError as error:
                tries = grant.tries + 1
                mark = dump_upstream_error(error)
                return self._store.fail(key, owner, mark, question.pause(tries), tries)
            except BaseException:
                self._store.release(key, owner)
                raise
            entry = self._store.put(
                key, owner, fetched.body, grant.at, fetched.ttl, question.stale_ttl
            )
        question.observe(Moment.REFRESHED if deadline is None else Moment.STORED, entry)
        return entry

    @contextmanager
    def _lock_kept(self, key: str, owner: str) -> Iterator[None]:
        """Renew the lock for as long as this goes on; its owner's death frees it in seconds."""
        done = threading.Event()

        def keep() -> None:
            while not done.wait(LOCK_RENEWAL_SECONDS):
                self._store.renew(key, owner)

        threading.Thread(target=keep, name="lock-keeper", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _refresh_in_background(self, question: Question, entry: Entry) -> None:
        with self._lock:
            if question.key in self._flights or question.key in self._refreshed_lately:
                return
            if not self._refreshes.acquire(blocking=False):
                return
            self._refreshed_lately[question.key] = True

        def work() -> None:
            try:
                self.refresh(question, entry)
            finally:
                self._refreshes.release()

        threading.Thread(target=work, name="refresh", daemon=True).start()


def _may_stand_in(question: Question, entry: Entry, failure: Failure, now: float) -> bool:
    in_time = now < entry.fetched_at + entry.ttl + question.stale_ttl
    return in_time and failure.error().stale_helps


def _too_late() -> AmadeusTimeout:
    return AmadeusTimeout("Amadeus gave no answer within the time that this request may take.")
