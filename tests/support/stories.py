"""Stories: random interleavings of events in a fleet that shares one store.

A story has several processes (a ReadThrough each). Readers, readers with a `max_age`, readers of
something newer, failing and slow fetches, dying lock owners and clock steps of the store meet at
random moments. Each result is checked against the read-through's rule.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any, Final, cast

from api.errors import AmadeusTimeout, AmadeusUnavailable
from api.services.cache.entries import Entry, FailureMarker, LockAcquired
from api.services.cache.lifetimes import Lifetimes
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, FetchedValue, Outcome
from api.services.cache.store import Store
from api.services.deadline import Deadline
from tests.support.processes import eventually

KEYS: Final = ("one", "other")
READERS: Final = 60
PROCESSES: Final = 3
TTL, STALE_TTL = 0.15, 0.2
FETCH_TIMEOUT: Final = 1.0
# All waiting times are about ten times shorter than in the service.
LOCK_SECONDS: Final = 0.5
LIFETIMES: Final = Lifetimes(LOCK_SECONDS, marker=0.5, handover=0.5)
POLL_SECONDS: Final = (0.004, 0.008)
LOCK_RENEWAL_SECONDS: Final = 0.05
SLACK: Final = 0.5  # the delay that a busy machine may add
# Fetched now, younger than the TTL, older than the TTL, and older than the stale limit.
MAX_AGES: Final = (0.0, 0.1, 0.3, 0.6)
# A fetch may outlast the first deadline and the slack, but never the second deadline.
DEADLINES: Final = (0.2, 2.0)
SLOW_FETCH: Final = 0.95
STEPS: Final = (-3600.0, -1.0, 1.0, 3600.0)


class Died(BaseException):
    """The process was killed during its work."""


@dataclass
class Fetch:
    key: str
    asked: float
    started: float
    ended: float = float("inf")
    died: bool = False


class Clock:
    """A store's clock: its offsets from `time.monotonic`, with the period of each."""

    def __init__(self, offset: float, precision: float = 0.0) -> None:
        """precision: the error of the store's time in seconds."""
        self.precision = precision
        self._offset = offset
        self._periods = [[offset, float("-inf"), float("inf")]]

    def now(self) -> float:
        return time.monotonic() + self._offset

    def step(self, seconds: float) -> None:
        offset = self._offset + seconds
        # During the step, both offsets are valid.
        self._periods.append([offset, time.monotonic(), float("inf")])
        self._offset = offset
        self._periods[-2][2] = time.monotonic()

    def stepped(self, begin: float, end: float) -> bool:
        return len(self.offsets(begin, end)) > 1

    def times(self, moment: float, end: float) -> list[float]:
        """The possible store times of a moment, by each offset valid between then and `end`."""
        return [moment + offset for offset in self.offsets(moment, end)]

    def offsets(self, begin: float, end: float) -> list[float]:
        return [offset for offset, since, until in self._periods if since <= end and begin <= until]


class Process:
    """A process of the fleet, which cannot use the store once it is dead."""

    def __init__(self, story: "Story") -> None:
        self.is_dead = False
        self.reader = ReadThrough(
            cast("Store", self),
            FETCH_TIMEOUT,
            poll_seconds=POLL_SECONDS,
            lock_renewal_seconds=LOCK_RENEWAL_SECONDS,
        )
        self._story = story
        self._store = story.open_store()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if name in ("renew", "share_reads") and self.is_dead:
                return 0  # called by a separate thread, where Died would be lost
            if name in ("put", "fail"):
                self._may_die(holding=args[0])
            if self.is_dead and name != "now":  # reading the time does not use the store
                raise Died
            result = getattr(self._store, name)(*args, **options)
            if isinstance(result, LockAcquired):
                self._may_die(holding=args[0])
            if name == "fail":
                self._story.failures.append((args[0], result))
            return result

        return call

    def _may_die(self, *, holding: str) -> None:
        if self._story.random.random() < 0.02:
            self.is_dead = True
        if self.is_dead:
            self._story.orphaned.append((holding, time.monotonic()))
            raise Died


@dataclass
class Story:
    """The record of what the upstream and the readers saw."""

    random: Random
    clock: Clock
    open_store: Callable[[], Store]
    """Opens a process's connection to the shared store, which has the LIFETIMES."""
    fetches: list[Fetch] = field(default_factory=list)
    failures: list[tuple[str, FailureMarker]] = field(default_factory=list)
    orphaned: list[tuple[str, float]] = field(default_factory=list)
    """The keys of locks whose owner died, with the times."""
    late: list[str] = field(default_factory=list)
    """The waiting times of readers that waited too long."""
    fleet: list[Process] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def some_process(self) -> Process:
        """A living process; dead ones are replaced."""
        with self.lock:
            self.fleet = [process for process in self.fleet if not process.is_dead]
            while len(self.fleet) < PROCESSES:
                self.fleet.append(Process(self))
            return self.random.choice(self.fleet)

    def request(self, key: str, process: Process) -> CacheRequest:
        asked = time.monotonic()

        def fetch(_deadline: Deadline) -> FetchedValue:
            with self.lock:
                fate = self.random.random()
                is_slow = self.random.random() < 0.05
                seconds = SLOW_FETCH if is_slow else self.random.uniform(0.005, 0.05)
                record = Fetch(key, asked, time.monotonic())
                number = len(self.fetches)
                self.fetches.append(record)
            time.sleep(seconds)
            if fate < 0.05:
                process.is_dead = True
            record.died = process.is_dead
            record.ended = time.monotonic()
            if record.died:
                self.orphaned.append((key, record.ended))
                raise Died
            if fate < 0.3:
                raise AmadeusUnavailable("as the story goes")
            return FetchedValue(str(number).encode(), TTL)

        return CacheRequest(key, fetch, observe=lambda _event, _entry: None, stale_ttl=STALE_TTL)

    def read(self, key: str) -> None:
        process, fate = self.some_process(), self.random.random()
        request, known = self.request(key, process), None
        seconds = DEADLINES[self.random.random() < 0.8]
        max_age = self.random.choice(MAX_AGES) if fate < 0.4 else None
        try:
            if 0.4 <= fate < 0.5:
                known = process.get(key)
            arrived, deadline = time.monotonic(), Deadline(seconds)
            if known is not None:
                answer = process.reader.read_newer(request, known.fetched_at, deadline)
            else:
                answer = process.reader.read(request, deadline, max_age=max_age)
        except Died:
            return
        except AmadeusTimeout:
            assert time.monotonic() - arrived >= seconds
        except AmadeusUnavailable:
            # Another process may record a failure in the store a moment before this story sees it.
            eventually(partial(self._failed_since, key, arrived, time.monotonic()), within=SLACK)
        else:
            self._judge(answer, key, arrived, max_age, known)
        ended = time.monotonic()
        took = ended - arrived
        idle_seconds = 0.0 if process.is_dead else self._idle(key, arrived, ended)
        if took >= seconds + SLACK or idle_seconds >= SLACK:
            self.late.append(f"{took:.2f} s of {seconds} s, idle {idle_seconds:.2f} s")

    def check(self) -> None:
        """Check that no reader waited too long, and that no two fetches of a key overlapped."""
        assert not self.late, self.late
        # Until then it is unknown whether its process had died, which lets the next one begin.
        eventually(lambda: all(fetch.ended < float("inf") for fetch in self.fetches))
        for key in KEYS:
            living = [each for each in self.fetches if each.key == key and not each.died]
            for earlier, later in pairwise(living):
                # The first owner of the lock may be the last to begin its fetch.
                stepped = self.clock.stepped(min(earlier.asked, later.asked), later.started)
                assert stepped or later.started >= earlier.ended, (
                    "two concurrent fetches of one key"
                )

    def _fetch_of(self, entry: Entry) -> Fetch:
        """The fetch that produced an entry."""
        return self.fetches[int(entry.body)]

    def _failed_since(self, key: str, arrived: float, ended: float) -> bool:
        """Whether a failure occurred that applies to a caller who arrived then."""
        times = self.clock.times(arrived, ended)
        return any(
            failed == key and failure.failed_at >= min(times) - self.clock.precision
            for failed, failure in self.failures
        )

    def _judge(
        self,
        answer: CacheResult,
        key: str,
        arrived: float,
        max_age: float | None,
        known: Entry | None,
    ) -> None:
        entry, fetch, slack = answer.entry, self._fetch_of(answer.entry), self.clock.precision
        # By each offset of the store's clock since the caller arrived.
        times = self.clock.times(arrived, time.monotonic())
        assert fetch.key == key
        assert any(
            fetch.asked + offset - slack <= entry.fetched_at <= fetch.started + offset + slack
            for offset in self.clock.offsets(fetch.asked, fetch.started)
        ), "wrong fetch time"
        if max_age is not None:
            assert entry.fetched_at >= min(times) - max_age - slack, "older than max_age"
            assert answer.outcome is not Outcome.STALE
        if known is not None:
            is_newer = entry.fetched_at > known.fetched_at
            stepped = self.clock.stepped(self._fetch_of(known).asked, time.monotonic())
            assert is_newer or stepped, "not newer"
        if answer.outcome is Outcome.STALE:
            assert entry.fetched_at + TTL + STALE_TTL > min(times) - slack, "too stale"
        else:
            life = TTL if max_age is None else TTL + STALE_TTL
            serves = entry.fetched_at + life > min(times) - slack
            assert serves or entry.stored_at >= min(times) - slack, "too old"

    def _idle(self, key: str, begin: float, end: float) -> float:
        """Seconds without a running fetch or a lock of a dead owner."""
        busy = [(fetch.started, fetch.ended) for fetch in self.fetches if fetch.key == key]
        busy += [(died, died + LOCK_SECONDS) for of, died in self.orphaned if of == key]
        idle, reached = 0.0, begin
        for since, until in sorted(busy):
            idle += max(0.0, min(since, end) - reached)
            reached = max(reached, min(until, end))
        return idle + end - reached


@contextmanager
def longest_pause() -> Iterator[list[float]]:
    """The longest pause of this process meanwhile; a busy machine causes such pauses."""
    longest, done = [0.0], threading.Event()

    def watch() -> None:
        before = time.monotonic()
        while not done.is_set():
            time.sleep(0.01)  # under gevent, waiting for the event takes three times the work
            longest[0] = max(longest[0], time.monotonic() - before)
            before = time.monotonic()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield longest
    finally:
        done.set()
        watcher.join()


def played(begin: Callable[[], Story], *, stepping: bool = False) -> Story:
    """Play a story to its end, and check it.

    A pause of the process can delay a reader, or let a lock expire although its owner is alive. So
    a story that fails is played again if the process paused for half of a lock's lifetime.
    """
    while True:
        story = begin()
        with longest_pause() as longest, ThreadPoolExecutor(max_workers=40) as threads:
            readers = []
            for _ in range(READERS):
                readers.append(threads.submit(story.read, story.random.choice(KEYS)))
                if stepping and story.random.random() < 0.05:
                    story.clock.step(story.random.choice(STEPS))
                time.sleep(story.random.choice((0, 0, 0.002, 0.02)))
        try:
            for reader in readers:
                reader.result()
            story.check()
        except AssertionError:
            if longest[0] < LOCK_SECONDS / 2:
                raise
        else:
            return story
