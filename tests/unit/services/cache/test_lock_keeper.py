"""The locks of long fetches are renewed."""

import threading
from contextlib import ExitStack
from queue import SimpleQueue

from api.services.cache.lock_keeper import LockKeeper
from api.services.cache.memory_store import MemoryStore
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually

SECONDS = 0.01


class Renewals(MemoryStore):
    """A store that tells which lock is renewed."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.queue: SimpleQueue[str] = SimpleQueue()

    def renew(self, key: str, owner: str) -> None:
        self.queue.put(f"{key} of {owner}")


def keepers() -> set[threading.Thread]:
    """The threads that look for locks or renew them."""
    return {thread for thread in threading.enumerate() if thread.name == "lock-keeper"}


def test_every_lock_that_is_held_for_long_is_renewed_again_and_again() -> None:
    store = Renewals()
    keeper = LockKeeper(store, SECONDS)

    with keeper.keep("a", "me"), keeper.keep("b", "me"):
        renewed = [store.queue.get(timeout=5) for _ in range(6)]

    assert set(renewed) == {"a of me", "b of me"}


def test_slow_renewal_of_one_lock_delays_no_other() -> None:
    class Stuck(Renewals):
        def renew(self, key: str, owner: str) -> None:
            if key == "stuck":
                is_over.wait(5)
            super().renew(key, owner)

    store, is_over = Stuck(), threading.Event()
    keeper = LockKeeper(store, SECONDS)

    with keeper.keep("stuck", "me"), keeper.keep("b", "me"):
        renewed = {store.queue.get(timeout=5) for _ in range(3)}
        is_over.set()

    assert renewed == {"b of me"}


def test_many_locks_that_are_soon_over_share_one_thread() -> None:
    before, keeper = keepers(), LockKeeper(Renewals())

    with ExitStack() as held:
        for number in range(10):
            held.enter_context(keeper.keep(str(number), "me"))
        assert len(keepers() - before) == 1


def test_no_thread_is_left_when_no_lock_is_held() -> None:
    before, store = keepers(), Renewals()
    keeper = LockKeeper(store, SECONDS)

    for _ in range(2):
        with keeper.keep("a", "me"):
            store.queue.get(timeout=5)
        eventually(lambda: keepers() <= before)


def test_locks_are_released_when_the_process_stops() -> None:
    store = MemoryStore(Metrics())
    keeper = LockKeeper(store)
    released: list[tuple[str, str]] = []
    store.release = lambda key, owner: released.append((key, owner))  # type: ignore[method-assign]

    with keeper.keep("a", "me"):
        keeper.release_all()

    assert released == [("a", "me")]
