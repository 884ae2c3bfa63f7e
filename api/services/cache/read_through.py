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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from functools import partial
from random import uniform
from typing import Final

from cachetools import TTLCache

from api.errors import (
    AmadeusBadAnswer,
    AmadeusTimeout,
    AmadeusUnavailable,
    UpstreamError,
    dump_upstream_error,
)
from api.services.cache.entries import TICK, WAITING, Entry, Failure, Granted, Turn, Waiting
from api.services.cache.requests import Answer, Outcome, Question
from api.services.cache.single_flight import Flight, Landing
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.services.slots import Crowded, Slots
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.tracing import span

POLL_SECONDS: Final = (0.055, 0.070)
LOCK_RENEWAL_SECONDS: Final = 1.0
REFRESH_PAUSE_SECONDS: Final = 1.0
REFRESHES_AT_ONCE: Final = 32
# By measurement (docs/adr/0015-a-busy-worker.md).
FETCHES_AT_ONCE: Final = 128

log = get_logger()


class ReadThrough:
    """Answers from a store, or fetched by one for all.

    patience: seconds that a fetch may take, whoever waits for it.
    """

    def __init__(self, store: Store, patience: float) -> None:
        self._store = store
        self._patience = patience
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._refreshed_lately: TTLCache[str, bool] = TTLCache(10_000, REFRESH_PAUSE_SECONDS)
        self._slots = Slots(FETCHES_AT_ONCE)
        self._refreshes = threading.BoundedSemaphore(REFRESHES_AT_ONCE)
        # The keys of the locks that are held here, by their owner's name.
        self._held: dict[str, str] = {}

    def release_locks(self) -> None:
        """Give back the locks of fetches that will not end, because the process does."""
        for owner, key in list(self._held.items()):
            self._store.release(key, owner)

    def read(self, question: Question, deadline: Deadline) -> Answer:
        """The answer: what the store has, else what is fetched, else a stale entry.

        Raises UpstreamError: the fetch's own, or AmadeusTimeout if the deadline passes first.
        """
        entry = self._store.get(question.key)
        # Only now: the first thing that a store is asked for tells it the time, too.
        arrived = self._store.now()
        if entry is not None:
            if entry.is_fresh(arrived):
                return self._hit(question, entry, arrived)
            failure = self._store.failure(question.key)
            if failure is not None and _may_stand_in(
                question, entry, failure.error(arrived), arrived
            ):
                self._refresh_in_background(question, entry)
                return self._stale(question, entry, arrived)
        question.observe(Event.CACHE_MISS, None)
        return self._shared(question, deadline, Outcome.MISS, 0.0, arrived)

    def read_forced(self, question: Question, deadline: Deadline) -> Answer:
        """An answer whose fetch began after this call; raises as `read`, and is never stale."""
        arrived = self._store.time()
        question.observe(Event.CACHE_BYPASS, None)
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
            not_before, now = entry.fetched_at + TICK, self._store.now()
            self._fly(question, flight, not_before, now, background=True)

    def age_of(self, entry: Entry) -> float:
        """Seconds since the entry was fetched."""
        return max(0.0, self._store.now() - entry.fetched_at)

    def _hit(self, question: Question, entry: Entry, arrived: float) -> Answer:
        if arrived >= entry.fetched_at + entry.ttl * question.refresh_from:
            self._refresh_in_background(question, entry)
        return Answer(entry, Outcome.HIT, age=max(0.0, arrived - entry.fetched_at))

    def _stale(self, question: Question, entry: Entry, now: float) -> Answer:
        question.observe(Event.CACHE_STALE_SERVED, entry)
        return Answer(entry, Outcome.STALE, age=now - entry.fetched_at)

    def _shared(
        self,
        question: Question,
        deadline: Deadline,
        outcome: Outcome,
        not_before: float,
        arrived: float,
    ) -> Answer:
        """Start a flight or join the one under way, until one brings what serves this caller."""
        while deadline.remaining():
            flight, leads = self._board(question.key)
            if leads:
                self._take_off(question, flight, not_before, arrived)
            with nullcontext() if leads else span("lock wait"):
                landing = flight.wait(deadline)
            if landing is None:
                break
            if landing.mistake is not None:
                raise landing.mistake
            found = landing.found
            # The store decided for the leader by its own clock, which counts in whole microseconds.
            if found is None or not (leads or _is_for(found, not_before, arrived)):
                continue
            coalesced = not leads or landing.by_another_process
            if coalesced:
                question.observe(Event.CACHE_COALESCED, None)
            if isinstance(found, Failure):
                return self._instead_of_answer(question, found.error(self._store.now()), not_before)
            return Answer(found, outcome, self.age_of(found), coalesced)
        return self._instead_of_answer(question, _too_late(), not_before)

    def _instead_of_answer(
        self, question: Question, error: UpstreamError, not_before: float
    ) -> Answer:
        """The stale entry where any entry will do and it is better than the error; else that."""
        if not not_before:
            entry = self._store.get(question.key)
            now = self._store.now()
            if entry is not None and entry.is_fresh(now):  # it came in this very moment
                return Answer(entry, Outcome.MISS, age=max(0.0, now - entry.fetched_at))
            if entry is not None and _may_stand_in(question, entry, error, now):
                return self._stale(question, entry, now)
        raise error

    def _board(self, key: str) -> tuple[Flight, bool]:
        """The key's flight, and whether the caller leads it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def _take_off(
        self, question: Question, flight: Flight, not_before: float, arrived: float
    ) -> None:
        """Let a thread of its own fly, so that nobody's deadline but the fetch's own cuts it short.

        The context goes along: the log tells for which request the flight was started.
        """
        fly = partial(self._fly, question, flight, not_before, arrived, background=False)
        threading.Thread(target=copy_context().run, args=(fly,), name="flight", daemon=True).start()

    def _fly(
        self,
        question: Question,
        flight: Flight,
        not_before: float,
        arrived: float,
        *,
        background: bool,
    ) -> None:
        """Fly a flight to its end."""
        deadline = Deadline(self._patience)
        try:
            # Half of the time is for the line, the other half for the fetch.
            with self._slots.one(self._patience / 2) if question.waits_in_line else nullcontext():
                landing = self._obtain(
                    question, deadline, not_before, arrived, background=background
                )
        except Crowded as crowd:
            landing = Landing(self._refusal(crowd))
        except BaseException as mistake:  # noqa: BLE001 - each who waits raises it
            landing = Landing(mistake=mistake)
        with self._lock:
            del self._flights[question.key]
        flight.land(landing)

    def _refusal(self, crowd: Crowded) -> Failure:
        """What all get who wait for a fetch that would come too late."""
        error = AmadeusUnavailable(
            "Too many searches are under way already.", retry_after=crowd.seconds
        )
        return Failure(dump_upstream_error(error), self._store.now(), pause=0.0, tries=1)

    def _obtain(
        self,
        question: Question,
        deadline: Deadline,
        not_before: float,
        arrived: float,
        *,
        background: bool,
    ) -> Landing:
        """What the store answers, or what is fetched once it grants the lock.

        In the background nobody waits for a lock that somebody else holds.
        """
        owner = uuid.uuid4().hex
        claim = partial(
            self._store.claim, question.key, owner, not_before, arrived, background=background
        )
        turn, waited = claim(), False
        if isinstance(turn, Waiting) and not background:
            with span("lock wait"):
                turn, waited = self._poll(claim), True
        if isinstance(turn, Granted):
            return Landing(self._fetch(question, owner, turn, deadline, background=background))
        return Landing() if isinstance(turn, Waiting) else Landing(turn, waited)

    def _poll(self, claim: Callable[[], Turn]) -> Turn:
        """Claim until there is an answer or the lock, for as long as a fetch may take."""
        deadline = Deadline(self._patience)
        while deadline.remaining():
            time.sleep(uniform(*POLL_SECONDS))  # noqa: S311
            turn = claim()
            if not isinstance(turn, Waiting):
                return turn
        return WAITING

    def _fetch(
        self,
        question: Question,
        owner: str,
        grant: Granted,
        deadline: Deadline,
        *,
        background: bool,
    ) -> Entry | Failure:
        key = question.key
        with self._lock_kept(key, owner):
            try:
                fetched = question.fetch(deadline)
            except UpstreamError as error:
                return self._fail(question, owner, grant, error)
            except Exception:
                # A mistake of ours is shared like a failure of theirs, or each waiter repeats it.
                log.exception(Event.CACHE_FETCH_FAILED, key=key)
                unread = AmadeusBadAnswer("Amadeus's answer could not be processed.")
                return self._fail(question, owner, grant, unread)
            entry = self._store.put(
                key, owner, fetched.body, grant.at, fetched.ttl, question.stale_ttl
            )
        if entry.ttl:  # without one it is for those alone who waited
            question.observe(Event.CACHE_REFRESHED if background else Event.CACHE_STORED, entry)
        return entry

    def _fail(
        self, question: Question, owner: str, grant: Granted, error: UpstreamError
    ) -> Failure:
        tries = grant.tries + 1
        mark = dump_upstream_error(error)
        return self._store.fail(question.key, owner, mark, question.pause(tries), tries)

    @contextmanager
    def _lock_kept(self, key: str, owner: str) -> Iterator[None]:
        """Renew the lock for as long as this goes on; its owner's death frees it in seconds."""
        done = threading.Event()
        self._held[owner] = key

        def keep() -> None:
            while not done.wait(LOCK_RENEWAL_SECONDS):
                self._store.renew(key, owner)

        threading.Thread(target=keep, name="lock-keeper", daemon=True).start()
        try:
            yield
        finally:
            done.set()
            del self._held[owner]

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


def _is_for(found: Entry | Failure, not_before: float, arrived: float) -> bool:
    return (
        found.answers(arrived) if isinstance(found, Failure) else found.serves(not_before, arrived)
    )


def _may_stand_in(question: Question, entry: Entry, error: UpstreamError, now: float) -> bool:
    return error.stale_helps and now < entry.fetched_at + entry.ttl + question.stale_ttl


def _too_late() -> AmadeusTimeout:
    return AmadeusTimeout("Amadeus did not answer within the time limit of this request.")
