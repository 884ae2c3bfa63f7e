"""The read-through cache, which follows one rule.

    An entry serves a caller if `fetched_at >= not_before` and either
    `fetched_at + ttl > arrived` or `stored_at >= arrived`.
    If no entry does, one caller fetches, and all callers that the new entry serves share it.

`not_before` is 0 for an ordinary read. For a caller that names a `max_age` it is so long before
its arrival; an entry with a body then serves it for `stale_ttl` longer. For a refresh and for a
rejected token it is just after `fetched_at` of the present entry. The last condition serves
callers that waited for an entry, even if its TTL is over when it is stored.

Fetches are shared on two levels. In a process, the callers of a key share one `PendingFetch`.
Across processes, its leader either takes the store's lock and fetches, or polls until the entry
is there or the lock is free.

A failure is not cached as an answer. It leaves a short-lived failure marker in the store, which
answers the callers that were waiting. Until the marker expires, a stale entry is served at once.
"""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
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
from api.services.cache.demand import Demand
from api.services.cache.entries import (
    CLOCK_RESOLUTION_SECONDS,
    LOCK_HELD,
    Caller,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
    LockHeld,
)
from api.services.cache.lock_keeper import RENEWAL_SECONDS, LockKeeper
from api.services.cache.requests import CacheRequest, CacheResult, FetchPostponed, Outcome
from api.services.cache.single_flight import FetchOutcome, PendingFetch
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.services.slots import QueueTooLong, Slots
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.tracing import span

POLL_SECONDS: Final = (0.055, 0.070)
REFRESH_PAUSE_SECONDS: Final = 1.0
MAX_REFRESHES: Final = 32
# Measured; see docs/adr/0015-a-busy-worker.md.
MAX_FETCHES: Final = 128

log = get_logger()


class ReadThrough:
    """Returns entries from a store, and fetches those that it does not have.

    fetch_timeout: seconds that a fetch may take once it has a slot and the lock. It waits for a
        slot for at most half of that.
    max_fetches: number of fetches that may be under way at once.
    """

    def __init__(
        self,
        store: Store,
        fetch_timeout: float,
        max_fetches: int = MAX_FETCHES,
        *,
        poll_seconds: tuple[float, float] = POLL_SECONDS,
        lock_renewal_seconds: float = RENEWAL_SECONDS,
    ) -> None:
        self._store = store
        self.fetch_timeout = fetch_timeout
        self._poll_seconds = poll_seconds
        self._locks = LockKeeper(store, lock_renewal_seconds)
        self._lock = threading.Lock()
        self._pending: dict[str, PendingFetch] = {}
        self._refreshed_lately: TTLCache[str, bool] = TTLCache(10_000, REFRESH_PAUSE_SECONDS)
        self._slots = Slots(max_fetches)
        # Patient fetches leave three quarters of the slots to other callers.
        self._patient_slots = Slots(max(1, max_fetches // 4))
        self._refreshes = threading.BoundedSemaphore(MAX_REFRESHES)
        self._demand = Demand(store, lambda: self._slots.average_hold, self._refresh_in_background)

    def close(self) -> None:
        """Release the locks of unfinished fetches, and forget the planned refreshes."""
        self._locks.release_all()
        self._demand.close()

    def read(
        self,
        request: CacheRequest,
        deadline: Deadline,
        *,
        max_age: float | None = None,
        refresh_ahead: bool = True,
        before_bypass: Callable[[], None] = lambda: None,
    ) -> CacheResult:
        """Return a fresh entry from the store or from a fetch, else a stale entry.

        max_age: accept only an entry at most this many seconds old, whatever its TTL; with 0, only
            one whose fetch starts after this call. Nothing older stands in for a failure.
        refresh_ahead: whether this call counts as a read for which an entry is refreshed before
            it expires, and may start a fetch in the background.
        before_bypass: called before a fetch for which only `max_age` is the reason; may raise.

        Raises UpstreamError: that of the fetch, or AmadeusTimeout if the deadline passes first.
        """
        if max_age is not None:
            return self._read_within(request, deadline, max_age, refresh_ahead, before_bypass)
        entry = self._stored(request)
        # Read the time after the first call to the store, which may correct its clock.
        arrived = self._store.now()
        if entry is not None:
            if entry.is_fresh(arrived):
                return self._hit(request, entry, arrived, refresh_ahead)
            marker = self._store.failure_marker(request.key)
            if marker is not None and _may_stand_in(request, entry, marker.error(arrived), arrived):
                if refresh_ahead:
                    self._refresh_in_background(request, entry)
                return self._stale(request, entry, arrived)
        request.observe(Event.CACHE_MISS, None)
        return self._fetch_shared(request, deadline, Outcome.MISS, Caller(arrived))

    def known(
        self, request: CacheRequest, max_age: float | None = None, *, touch: bool = True
    ) -> CacheResult | None:
        """Return what is stored, fresh or stale, and at most `max_age` seconds old; else None.

        This read never fetches, refreshes or waits for a fetch.
        """
        entry = self._stored(request, touch=touch)
        arrived = self._store.now()
        if entry is None or not _is_within_stale_limit(request, entry, arrived):
            return None
        if max_age is not None and entry.fetched_at < arrived - max_age:
            return None
        return CacheResult(entry, Outcome.HIT, age=max(0.0, arrived - entry.fetched_at))

    def read_newer(
        self, request: CacheRequest, fetched_at: float, deadline: Deadline
    ) -> CacheResult:
        """Return an entry newer than `fetched_at`. Raises the same errors as `read`."""
        arrived = self._store.now()
        caller = Caller(arrived, fetched_at + CLOCK_RESOLUTION_SECONDS)
        return self._fetch_shared(request, deadline, Outcome.MISS, caller)

    def refresh(self, request: CacheRequest, entry: Entry) -> None:
        """Fetch the successor of an entry in this thread, unless that is under way already.

        An UpstreamError is not raised; it leaves a failure marker in the store.
        """
        pending, is_leader = self._join_or_lead(request.key)
        if is_leader:
            caller = Caller(self._store.now(), entry.fetched_at + CLOCK_RESOLUTION_SECONDS)
            self._run_fetch(request, pending, caller, background=True)

    def age_of(self, entry: Entry) -> float:
        """Return the seconds since the entry was fetched."""
        return max(0.0, self._store.now() - entry.fetched_at)

    def is_under_way(self, key: str) -> bool:
        """Return whether this process is fetching this entry or waiting for another to do so."""
        return key in self._pending

    def _stored(self, request: CacheRequest, *, touch: bool = True) -> Entry | None:
        """Return the stored entry. One that cannot be read is dropped, so that it is fetched."""
        entry = self._store.get(request.key, touch=touch)
        if entry is None or request.can_read(entry.body):
            return entry
        self._store.drop(request.key, entry.fetched_at)
        return None

    @property
    def has_room(self) -> bool:
        """Whether a patient fetch would get a slot now."""
        return self._slots.has_free and self._patient_slots.has_free

    def _read_within(
        self,
        request: CacheRequest,
        deadline: Deadline,
        max_age: float,
        refresh_ahead: bool,
        before_bypass: Callable[[], None],
    ) -> CacheResult:
        if max_age:
            entry = self._stored(request)
            arrived = self._store.now()
        else:  # any entry was fetched too early; the time must be exact
            entry, arrived = None, self._store.time()
        caller = Caller(arrived, arrived - max_age, request.stale_ttl)
        is_fresh = entry is not None and entry.is_fresh(arrived)
        if entry is not None and entry.serves(caller):
            return self._hit(request, entry, arrived, refresh_ahead and is_fresh)
        if is_fresh or not max_age:
            before_bypass()
            event, outcome = Event.CACHE_BYPASS, Outcome.BYPASS
        else:
            event, outcome = Event.CACHE_MISS, Outcome.MISS
        request.observe(event, None)
        return self._fetch_shared(request, deadline, outcome, caller)

    def _hit(
        self, request: CacheRequest, entry: Entry, arrived: float, refresh_ahead: bool
    ) -> CacheResult:
        if refresh_ahead:
            self._demand.note(request, entry, arrived)
        return CacheResult(entry, Outcome.HIT, age=max(0.0, arrived - entry.fetched_at))

    def _stale(self, request: CacheRequest, entry: Entry, now: float) -> CacheResult:
        request.observe(Event.CACHE_STALE_SERVED, entry)
        return CacheResult(entry, Outcome.STALE, age=now - entry.fetched_at)

    def _fetch_shared(
        self, request: CacheRequest, deadline: Deadline, outcome: Outcome, caller: Caller
    ) -> CacheResult:
        """Start or join fetches until an outcome serves this caller or the deadline passes."""
        while deadline.remaining():
            pending, is_leader = self._join_or_lead(request.key)
            if is_leader:
                self._start_fetch(request, pending, caller)
            with nullcontext() if is_leader else span("lock wait"):
                fetched = pending.wait(deadline)
            if fetched is None:
                break
            if fetched.bug is not None:
                raise fetched.bug
            result = fetched.result
            if result is None and request.is_patient:
                raise FetchPostponed
            # Trust the store's decision for the leader: its clock rounds to whole microseconds.
            if result is None or not (is_leader or _serves(result, caller)):
                continue
            coalesced = not is_leader or fetched.by_another_process
            if coalesced:
                request.observe(Event.CACHE_COALESCED, None)
            if isinstance(result, FailureMarker):
                return self._stale_or_raise(request, result.error(self._store.now()), caller)
            return CacheResult(result, outcome, self.age_of(result), coalesced)
        return self._stale_or_raise(request, timeout_error(), caller)

    def _stale_or_raise(
        self, request: CacheRequest, error: UpstreamError, caller: Caller
    ) -> CacheResult:
        """Return a stale entry if the caller accepts one; otherwise raise the error."""
        if not caller.not_before:
            entry = self._stored(request)
            now = self._store.now()
            if entry is not None and entry.is_fresh(now):  # it was stored meanwhile
                return CacheResult(entry, Outcome.MISS, age=max(0.0, now - entry.fetched_at))
            if entry is not None and _may_stand_in(request, entry, error, now):
                return self._stale(request, entry, now)
        raise error

    def _join_or_lead(self, key: str) -> tuple[PendingFetch, bool]:
        """Return the pending fetch of a key, and whether this caller is its leader."""
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None:
                return pending, False
            pending = self._pending[key] = PendingFetch()
            return pending, True

    def _start_fetch(self, request: CacheRequest, pending: PendingFetch, caller: Caller) -> None:
        """Fetch in a new thread, so that the fetch may outlast the request that started it.

        The thread keeps the context, so that its log lines name that request.
        """
        run = partial(self._run_fetch, request, pending, caller, background=False)
        threading.Thread(target=copy_context().run, args=(run,), name="fetch", daemon=True).start()

    def _run_fetch(
        self, request: CacheRequest, pending: PendingFetch, caller: Caller, *, background: bool
    ) -> None:
        """Fetch, and hand the outcome to all waiters."""
        # Refreshes and patient fetches take only a free slot, because other callers may join and
        # wait for them.
        goes_last = background or request.is_patient
        max_wait = 0.0 if goes_last else self.fetch_timeout / 2
        try:
            with (
                self._patient_slots.hold(max_wait) if request.is_patient else nullcontext(),
                self._slots.hold(max_wait) if request.needs_slot else nullcontext(),
            ):
                fetched = self._claim_and_fetch(request, caller, background=background)
        except QueueTooLong as queue:
            fetched = FetchOutcome(None if goes_last else self._too_many_fetches(queue.seconds))
        except BaseException as bug:  # noqa: BLE001 - the leader and each waiter raise it
            fetched = FetchOutcome(bug=bug)
        with self._lock:
            del self._pending[request.key]
        pending.resolve(fetched)

    def _too_many_fetches(self, retry_after: float) -> FailureMarker:
        """Build the failure of a fetch that got no slot in time; it is not stored."""
        error = AmadeusUnavailable(
            "Too many searches are under way already.", retry_after=retry_after
        )
        return FailureMarker(dump_upstream_error(error), self._store.now(), pause=0.0, tries=1)

    def _claim_and_fetch(
        self, request: CacheRequest, caller: Caller, *, background: bool
    ) -> FetchOutcome:
        """Return what the store has, or fetch once it gives the lock.

        A background fetch does not wait for a lock that another owner holds.
        """
        owner = uuid.uuid4().hex
        claim = partial(self._store.claim, request.key, owner, caller, background=background)
        claimed, waited = claim(), False
        if isinstance(claimed, LockHeld) and not background:
            with span("lock wait"):
                claimed, waited = self._poll(claim), True
        if isinstance(claimed, LockAcquired):
            started = time.monotonic()
            result = self._fetch(request, owner, claimed, background=background)
            if request.needs_slot and result is not None:
                self._slots.record(time.monotonic() - started)
            return FetchOutcome(result)
        return FetchOutcome() if isinstance(claimed, LockHeld) else FetchOutcome(claimed, waited)

    def _poll(self, claim: Callable[[], Claim]) -> Claim:
        """Repeat the claim until it returns an answer or the lock, or the fetch timeout passes."""
        deadline = Deadline(self.fetch_timeout)
        while deadline.remaining():
            time.sleep(uniform(*self._poll_seconds))  # noqa: S311
            claimed = claim()
            if not isinstance(claimed, LockHeld):
                return claimed
        return LOCK_HELD

    def _fetch(
        self,
        request: CacheRequest,
        owner: str,
        lock: LockAcquired,
        *,
        background: bool,
    ) -> Entry | FailureMarker | None:
        """Return the outcome; None if the fetch was postponed, which leaves no trace."""
        key = request.key
        with self._locks.keep(key, owner):
            try:
                fetched = request.fetch(Deadline(self.fetch_timeout))
            except FetchPostponed:
                self._store.release(key, owner)
                return None
            except UpstreamError as error:
                return self._fail(request, owner, lock, error)
            except Exception:
                # Share a bug like an upstream failure; otherwise every waiter would repeat it.
                log.exception(Event.CACHE_FETCH_FAILED, key=key)
                unread = AmadeusBadAnswer("Amadeus's answer could not be processed.")
                return self._fail(request, owner, lock, unread)
            entry = self._store.put(
                key, owner, fetched.body, lock.at, fetched.ttl, request.stale_ttl
            )
        if entry.ttl:  # without a TTL it serves only the callers that waited
            request.observe(Event.CACHE_REFRESHED if background else Event.CACHE_STORED, entry)
        return entry

    def _fail(
        self, request: CacheRequest, owner: str, lock: LockAcquired, error: UpstreamError
    ) -> FailureMarker:
        tries = lock.tries + 1
        body = dump_upstream_error(error)
        return self._store.fail(request.key, owner, body, request.pause(tries, error), tries)

    def _refresh_in_background(self, request: CacheRequest, entry: Entry) -> None:
        with self._lock:
            if request.key in self._pending or request.key in self._refreshed_lately:
                return
            if not self._refreshes.acquire(blocking=False):
                return
            self._refreshed_lately[request.key] = True

        def refresh() -> None:
            try:
                self.refresh(request, entry)
            finally:
                self._refreshes.release()

        threading.Thread(target=refresh, name="refresh", daemon=True).start()


def _serves(result: Entry | FailureMarker, caller: Caller) -> bool:
    if isinstance(result, FailureMarker):
        return result.answers(caller.arrived)
    return result.serves(caller)


def _may_stand_in(request: CacheRequest, entry: Entry, error: UpstreamError, now: float) -> bool:
    return error.stale_helps and _is_within_stale_limit(request, entry, now)


def _is_within_stale_limit(request: CacheRequest, entry: Entry, now: float) -> bool:
    return now < entry.fetched_at + entry.ttl + request.stale_ttl


def timeout_error() -> AmadeusTimeout:
    """Build the error of a caller whose deadline passes during a fetch."""
    return AmadeusTimeout("Amadeus did not answer within the time limit of this request.")
