"""Renews the locks of fetches that take long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from api.services.cache.store import Store

RENEWAL_SECONDS: Final = 1.0


@dataclass(slots=True, eq=False)
class _Lock:
    key: str
    owner: str
    is_renewed: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)


class LockKeeper:
    """Keeps the locks that this process holds.

    Most fetches end before their lock needs a renewal. So one thread for all locks looks every
    second, and only a lock that it finds gets a thread of its own, which a slow renewal of another
    lock cannot delay.
    """

    def __init__(self, store: Store, renewal_seconds: float = RENEWAL_SECONDS) -> None:
        self._store = store
        self._renewal_seconds = renewal_seconds
        self._mutex = threading.Lock()
        self._held: set[_Lock] = set()
        self._is_looking = False

    @contextmanager
    def keep(self, key: str, owner: str) -> Iterator[None]:
        """Renew the lock until the block ends."""
        lock = _Lock(key, owner)
        with self._mutex:
            self._held.add(lock)
            is_first, self._is_looking = not self._is_looking, True
        if is_first:
            _start_thread(self._look)
        try:
            yield
        finally:
            lock.is_over.set()
            with self._mutex:
                self._held.discard(lock)

    def release_all(self) -> None:
        """Release the locks of unfinished fetches when the process stops."""
        for lock in list(self._held):
            self._store.release(lock.key, lock.owner)

    def _look(self) -> None:
        """Have each lock renewed that is held for long, until there is none."""
        while True:
            time.sleep(self._renewal_seconds)
            with self._mutex:
                if not self._held:
                    self._is_looking = False
                    return
                found = [lock for lock in self._held if not lock.is_renewed]
            for lock in found:
                lock.is_renewed = True
                _start_thread(self._renew, lock)

    def _renew(self, lock: _Lock) -> None:
        while not lock.is_over.is_set():
            self._store.renew(lock.key, lock.owner)
            lock.is_over.wait(self._renewal_seconds)


def _start_thread(run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, name="lock-keeper", daemon=True).start()
