"""The read-through cache, which follows one rule.

    An entry serves a caller if `fetched_at >= not_before` and either
    `fetched_at + ttl > arrived` or `stored_at >= arrived`.
    If no entry does, one caller fetches, and all callers that the new entry serves share it.

`not_before` is 0 for an ordinary read. For a caller that names a `max_age` it is so long before
its arrival; an entry with a body then serves it for `stale_ttl` longer. For a refresh and for a
rejected token it is just after `fetched_at` of the present entry. The last condition serves
callers that waited for an entry, even if its TTL is over when it is stored.

Fetches are shared on two levels: in a process, the callers of a key share one `PendingFetch`, and
`fetches` lets only one process at a time fetch an entry.

A failure is not cached as an answer. It leaves a short-lived failure marker in the store, which
answers the callers that were waiting. Until the marker expires, a stale entry is served at once.
"""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from cachetools import TTLCache

from api.errors import AmadeusTimeout, UpstreamError
from api.services.cache.demand import Demand
from api.services.cache.entries import CLOCK_RESOLUTION_SECONDS, Caller, Entry, FailureMarker
from api.services.cache.fetches import MAX_FETCHES, POLL_SECONDS, Fetches
from api.services.cache.lock_keeper import RENEWAL_SECONDS
from api.services.cache.requests import CacheRequest, CacheResult, FetchPostponed, Outcome
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.telemetry.events import Event
from api.telemetry.tracing import span

REFRESH_PAUSE_SECONDS: Final = 1.0
MAX_REFRESHES: Final = 32


class ReadThrough:
    """Returns entries from a store, and fetches those that it does not have.

    The other arguments are those of `Fetches`.
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
        self.fetches = Fetches(
            store,
            fetch_timeout,
            max_fetches,
            poll_seconds=poll_seconds,
            lock_renewal_seconds=lock_renewal_seconds,
        )
        self._lock = threading.Lock()
        self._refreshed_lately: TTLCache[str, bool] = TTLCache(10_000, REFRESH_PAUSE_SECONDS)
        self._refreshes = threading.BoundedSemaphore(MAX_REFRESHES)
        self._demand = Demand(
            store, lambda: self.fetches.average_seconds, self._refresh_in_background
        )

    def close(self) -> None:
        """Release the locks of unfinished fetches, and forget the planned refreshes."""
        self.fetches.close()
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
        if self._store.is_probably_absent(request.key):
            fetched = self._fetch_if_absent(request, deadline)
            if fetched is not None:
                return fetched
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
        pending, is_leader = self.fetches.join_or_lead(request.key)
        if is_leader:
            caller = Caller(self._store.now(), entry.fetched_at + CLOCK_RESOLUTION_SECONDS)
            self.fetches.run_in_background(request, pending, caller)

    def age_of(self, entry: Entry) -> float:
        """Return the seconds since the entry was fetched."""
        return max(0.0, self._store.now() - entry.fetched_at)

    def _stored(self, request: CacheRequest, *, touch: bool = True) -> Entry | None:
        """Return the stored entry. One that cannot be read is dropped, so that it is fetched."""
        entry = self._store.get(request.key, touch=touch)
        if entry is None or request.can_read(entry.body):
            return entry
        self._store.drop(request.key, entry.fetched_at)
        return None

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

    def _fetch_if_absent(self, request: CacheRequest, deadline: Deadline) -> CacheResult | None:
        """Claim in place of a look-up, and fetch. Return None where a look-up must decide.

        Without a free slot the claim would wait, and there may be an entry after all.
        """
        if request.is_patient or not self.fetches.has_free_slot:
            return None
        pending, is_leader = self.fetches.join_or_lead(request.key)
        if not is_leader:
            return None
        # Its `stale_ttl` lets every entry serve the caller, so it gets the lock only without one.
        caller = Caller(self._store.now(), stale_ttl=request.stale_ttl)
        self.fetches.start(request, pending, caller, if_absent=True)
        fetched = pending.wait(deadline)
        if fetched is None:
            return self._stale_or_raise(request, timeout_error(), caller)
        if fetched.result is None:
            return None
        return self._answer(request, fetched.result, Outcome.MISS, caller)

    def _fetch_shared(
        self, request: CacheRequest, deadline: Deadline, outcome: Outcome, caller: Caller
    ) -> CacheResult:
        """Start or join fetches until an outcome serves this caller or the deadline passes."""
        while deadline.remaining():
            pending, is_leader = self.fetches.join_or_lead(request.key)
            if is_leader:
                self.fetches.start(request, pending, caller, if_absent=False)
            with nullcontext() if is_leader else span("lock wait"):
                fetched = pending.wait(deadline)
            if fetched is None:
                break
            result = fetched.result
            if result is None and request.is_patient:
                raise FetchPostponed
            # Trust the store's decision for the leader: its clock rounds to whole microseconds.
            if result is None or not (is_leader or _serves(result, caller)):
                continue
            coalesced = not is_leader or fetched.by_another_process
            if coalesced:
                request.observe(Event.CACHE_COALESCED, None)
            return self._answer(request, result, outcome, caller, coalesced=coalesced)
        return self._stale_or_raise(request, timeout_error(), caller)

    def _answer(
        self,
        request: CacheRequest,
        result: Entry | FailureMarker,
        outcome: Outcome,
        caller: Caller,
        *,
        coalesced: bool = False,
    ) -> CacheResult:
        if isinstance(result, FailureMarker):
            return self._stale_or_raise(request, result.error(self._store.now()), caller)
        return CacheResult(result, outcome, self.age_of(result), coalesced)

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

    def _refresh_in_background(self, request: CacheRequest, entry: Entry) -> None:
        with self._lock:
            if self.fetches.is_under_way(request.key) or request.key in self._refreshed_lately:
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
