"""Runs the fetches of this process: one for each key at a time, and a limited number of all.

A fetch holds a slot, and the lock of its key in the store, so that no other process fetches that
entry. If another process has the lock, it polls until the entry is there or the lock is free.
"""

import _thread
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import copy_context
from functools import partial
from random import SystemRandom
from typing import Final

from api.errors import (
    AmadeusBadAnswer,
    AmadeusUnavailable,
    UpstreamError,
    dump_upstream_error,
)
from api.services.cache.entries import (
    LOCK_HELD,
    Caller,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
    LockHeld,
)
from api.services.cache.lock_keeper import RENEWAL_SECONDS, LockKeeper
from api.services.cache.requests import CacheRequest, FetchPostponed
from api.services.cache.single_flight import FetchOutcome, PendingFetch
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.services.slots import QueueTooLong, Slots
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.tracing import span

POLL_SECONDS: Final = (0.055, 0.070)
# Measured; see docs/adr/0015-a-busy-worker.md.
MAX_FETCHES: Final = 128

log = get_logger()


class Fetches:
    """The fetches of this process.

    timeout: seconds that a fetch may take once it has a slot and the lock. It waits for a slot for
        at most half of that.
    max_fetches: number of fetches that may be under way at once.
    """

    def __init__(
        self,
        store: Store,
        timeout: float,
        max_fetches: int = MAX_FETCHES,
        *,
        poll_seconds: tuple[float, float] = POLL_SECONDS,
        lock_renewal_seconds: float = RENEWAL_SECONDS,
    ) -> None:
        self._store = store
        self.timeout = timeout
        self._poll_seconds = poll_seconds
        self._locks = LockKeeper(store, lock_renewal_seconds)
        self._lock = threading.Lock()
        self._pending: dict[str, PendingFetch] = {}
        self._slots = Slots(max_fetches)
        # Patient fetches leave three quarters of the slots to other callers.
        self._patient_slots = Slots(max(1, max_fetches // 4))

    def close(self) -> None:
        """Release the locks of unfinished fetches."""
        self._locks.release_all()

    def join_or_lead(self, key: str) -> tuple[PendingFetch, bool]:
        """Return the pending fetch of a key, and whether this caller is its leader."""
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None:
                return pending, False
            pending = self._pending[key] = PendingFetch()
            return pending, True

    def is_under_way(self, key: str) -> bool:
        """Return whether this process is fetching this entry, or waiting for another to do so."""
        return key in self._pending

    @property
    def has_room(self) -> bool:
        """Whether a patient fetch would get a slot now."""
        return self._slots.has_free and self._patient_slots.has_free

    @property
    def has_free_slot(self) -> bool:
        """Whether a fetch would get a slot now."""
        return self._slots.has_free

    @property
    def average_seconds(self) -> float:
        """How long a typical fetch takes; 0.0 before the first."""
        return self._slots.average_hold

    def start(
        self, request: CacheRequest, pending: PendingFetch, caller: Caller, *, if_absent: bool
    ) -> None:
        """Fetch in a new thread, so that the fetch may outlast the request that started it.

        The thread keeps the context, so that its log lines name that request.
        if_absent: whether to fetch only if the store gives the lock at once.
        """
        if if_absent:
            fetch = partial(self._claim_absent_and_fetch, request, caller)
        else:
            fetch = partial(self._claim_and_fetch, request, caller, background=False)
        run = partial(self._run, request, pending, fetch, goes_last=request.is_patient)
        # threading.Thread would wait until the thread runs, which costs a third of a millisecond.
        _thread.start_new_thread(copy_context().run, (run,))

    def run_in_background(
        self, request: CacheRequest, pending: PendingFetch, caller: Caller
    ) -> None:
        """Fetch in this thread, if a slot and the lock are free."""
        fetch = partial(self._claim_and_fetch, request, caller, background=True)
        self._run(request, pending, fetch, goes_last=True)

    def _run(
        self,
        request: CacheRequest,
        pending: PendingFetch,
        fetch: Callable[[], FetchOutcome],
        *,
        goes_last: bool,
    ) -> None:
        """Fetch once there is a slot, and hand the outcome to all waiters.

        goes_last: whether to take only a free slot, because other callers may join and wait.
        """
        max_wait = 0.0 if goes_last else self.timeout / 2
        try:
            with (
                self._patient_slots.hold(max_wait) if request.is_patient else nullcontext(),
                self._slots.hold(max_wait) if request.needs_slot else nullcontext(),
            ):
                fetched = fetch()
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
            return self._fetch(request, owner, claimed, background=background)
        return FetchOutcome() if isinstance(claimed, LockHeld) else FetchOutcome(claimed, waited)

    def _claim_absent_and_fetch(self, request: CacheRequest, caller: Caller) -> FetchOutcome:
        """Fetch if the store gives the lock at once; otherwise return no outcome."""
        owner = uuid.uuid4().hex
        claimed = self._store.claim_absent(request.key, owner, caller)
        if claimed is None:
            return FetchOutcome()
        request.observe(Event.CACHE_MISS, None)
        return self._fetch(request, owner, claimed, background=False)

    def _poll(self, claim: Callable[[], Claim]) -> Claim:
        """Repeat the claim until it returns an answer or the lock, or the fetch timeout passes."""
        deadline = Deadline(self.timeout)
        while deadline.remaining():
            time.sleep(SystemRandom().uniform(*self._poll_seconds))
            claimed = claim()
            if not isinstance(claimed, LockHeld):
                return claimed
        return LOCK_HELD

    def _fetch(
        self, request: CacheRequest, owner: str, lock: LockAcquired, *, background: bool
    ) -> FetchOutcome:
        """Fetch with the lock. A fetch that was postponed has no outcome."""
        started = time.monotonic()
        result = self._fetch_and_store(request, owner, lock, background=background)
        if request.needs_slot and result is not None:
            self._slots.record(time.monotonic() - started)
        return FetchOutcome(result)

    def _fetch_and_store(
        self, request: CacheRequest, owner: str, lock: LockAcquired, *, background: bool
    ) -> Entry | FailureMarker | None:
        """Return the outcome; None if the fetch was postponed, which leaves no trace."""
        key = request.key
        with self._locks.keep(key, owner):
            try:
                fetched = request.fetch(Deadline(self.timeout))
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
