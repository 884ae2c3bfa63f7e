"""A store that outlives its Redis: an outage costs speed, and never an answer."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from api.logs import Event, get_logger
from api.services.entries import Entry, Failure, Turn
from api.services.stores.memory import MemoryStore
from api.services.stores.redis_store import RedisStore, StoreUnavailable

PROBE_SECONDS: Final = 0.5
T = TypeVar("T")

log = get_logger()


class OutageProofStore:
    """Implements `Store`: Redis while it works, else what this process has.

    An outage is noticed by the first call that fails, and said once. From then on nobody waits
    for Redis; one thread probes it until it takes writes again.
    """

    def __init__(self, shared: RedisStore) -> None:
        self._shared = shared
        self._local = MemoryStore(clock=shared.now)
        self._lock = threading.Lock()
        self._is_down = False
        self._closed = threading.Event()

    @property
    def is_up(self) -> bool:
        """Whether Redis is in use."""
        return not self._is_down

    def check(self) -> None:
        """Find out now whether Redis works; says so in the log if it does not."""
        self._try(self._shared.check, lambda: None)

    def close(self) -> None:
        """Stop probing and give the connections back."""
        self._closed.set()
        self._shared.close()

    def now(self) -> float:
        return self._shared.now()

    def time(self) -> float:
        return self._try(self._shared.time, self._shared.now)

    def get(self, key: str) -> Entry | None:
        return self._try(lambda: self._shared.get(key), lambda: self._local.get(key))

    def failure(self, key: str) -> Failure | None:
        return self._try(lambda: self._shared.failure(key), lambda: self._local.failure(key))

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Turn:
        def ask(store: RedisStore | MemoryStore) -> Turn:
            return store.claim(key, owner, not_before, arrived, background=background)

        return self._try(lambda: ask(self._shared), lambda: ask(self._local))

    def renew(self, key: str, owner: str) -> None:
        self._local.renew(key, owner)
        self._try(lambda: self._shared.renew(key, owner), lambda: None)

    def release(self, key: str, owner: str) -> None:
        self._local.release(key, owner)
        self._try(lambda: self._shared.release(key, owner), lambda: None)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        # The copy here is what readers get when Redis goes.
        here = self._local.put(key, owner, body, fetched_at, ttl, stale_ttl)
        return self._try(
            lambda: self._shared.put(key, owner, body, fetched_at, ttl, stale_ttl), lambda: here
        )

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> Failure:
        here = self._local.fail(key, owner, body, pause, tries)
        return self._try(lambda: self._shared.fail(key, owner, body, pause, tries), lambda: here)

    def drop(self, key: str, fetched_at: float) -> None:
        self._local.drop(key, fetched_at)
        self._try(lambda: self._shared.drop(key, fetched_at), lambda: None)

    def take_turn(self, key: str, interval: float, patience: float, sharers: int) -> float:
        def ask(store: RedisStore | MemoryStore) -> float:
            return store.take_turn(key, interval, patience, sharers)

        return self._try(lambda: ask(self._shared), lambda: ask(self._local))

    def _try(self, shared: Callable[[], T], local: Callable[[], T]) -> T:
        if not self._is_down:
            try:
                return shared()
            except StoreUnavailable as exc:
                self._go_down(str(exc))
        return local()

    def _go_down(self, reason: str) -> None:
        with self._lock:
            if self._is_down:
                return
            self._is_down = True
        log.warning(Event.CACHE_UNAVAILABLE, reason=reason)
        threading.Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _probe(self) -> None:
        since = self._shared.now()
        while not self._closed.wait(PROBE_SECONDS):
            try:
                self._shared.check()
            except StoreUnavailable:
                continue
            self._is_down = False
            log.info(Event.CACHE_RECOVERED, outage_s=round(self._shared.now() - since, 1))
            return
