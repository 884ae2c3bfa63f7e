"""The read-through's rule, under random interleavings of everything that can happen to it.

Several processes (a ReadThrough each) share one store. Readers, forced readers, readers of
something newer, failing fetches, dying owners and steps of the store's clock meet at random
moments; each seed is one such story. Real threads run it, and `test_read_through_gevent.py` runs
it again with greenlets.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from api.errors import AmadeusTimeout, AmadeusUnavailable
from api.services import read_through
from api.services.deadline import Deadline
from api.services.entries import TICK, Entry, Failure
from api.services.questions import Answer, Fetched, Outcome, Question
from api.services.read_through import ReadThrough
from api.services.stores import limits, memory
from api.services.stores.memory import MemoryStore

SEEDS = range(12)
KEYS = ("one", "other")
PROCESSES = 3
TTL, STALE_TTL = 0.15, 0.2
DEADLINE = 2.0
LOCK_SECONDS = 0.5
SLACK = 0.5  # what a busy machine may add
STEPS = (-3600.0, -1.0, 1.0, 3600.0)
# A store's time is far from zero, also where this machine was started a minute ago.
EPOCH = 10_000_000.0


class Died(BaseException):
    """The process of a fetch was killed in the middle of it."""


class MortalStore(MemoryStore):
    """One process's way to the shared store; whoever is dead reaches nothing any more."""

    def __init__(self, shared: MemoryStore, failures: list[tuple[str, Failure]]) -> None:
        self.__dict__ = shared.__dict__.copy()  # the same locks and entries
        self._failures_seen = failures
        self.is_dead = False

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> Failure:
        failure = super().fail(key, owner, body, pause, tries)
        self._failures_seen.append((key, failure))
        return failure

    def renew(self, key: str, owner: str) -> None:
        # From a thread of its own, where nobody hears that it died.
        if not self.__dict__["is_dead"]:
            super().renew(key, owner)

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in ("is_dead", "renew") and self.is_dead:
            raise Died
        return super().__getattribute__(name)


class Process:
    """A process of the fleet."""

    def __init__(self, store: MortalStore) -> None:
        self.store = store
        self.reader = ReadThrough(self.store, patience=1.0)


@dataclass
class Fetch:
    key: str
    asked: float
    started: float
    ended: float = float("inf")
    died: bool = False


@dataclass
class Story:
    """What happened, as the upstream and the readers saw it."""

    random: Random
    offset: float = EPOCH
    """How far the store's clock is from `time.monotonic`, by which all else here is told."""
    stepped_at: float = 0.0
    """When that last changed."""
    store: MemoryStore = field(init=False)
    fetches: list[Fetch] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    failures: list[tuple[str, Failure]] = field(default_factory=list)
    fleet: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=lambda: time.monotonic() + self.offset)

    def step_the_clock(self) -> None:
        self.stepped_at = float("inf")
        self.offset += self.random.choice(STEPS)
        self.stepped_at = time.monotonic()

    def some_process(self) -> Process:
        """One that lives; the dead are followed by new ones."""
        with self.lock:
            self.fleet = [process for process in self.fleet if not process.store.is_dead]
            while len(self.fleet) < PROCESSES:
                self.fleet.append(Process(MortalStore(self.store, self.failures)))
            return self.random.choice(self.fleet)

    def question(self, key: str, process: MortalStore) -> Question:
        asked = time.monotonic()

        def fetch(_deadline: Deadline) -> Fetched:
            with self.lock:
                fate = self.random.random()
                # Now and then one that outlasts a lock which nobody renews.
                seconds = 0.7 if self.random.random() < 0.05 else self.random.uniform(0.005, 0.05)
                record = Fetch(key, asked, time.monotonic())
                number = len(self.fetches)
                self.fetches.append(record)
            time.sleep(seconds)
            record.ended = time.monotonic()
            if fate < 0.05:
                process.is_dead = True
            if process.is_dead:
                record.died = True
                raise Died
            if fate < 0.3:
                raise AmadeusUnavailable("as the story goes")
            return Fetched(str(number).encode(), TTL)

        return Question(key, fetch, observe=lambda _moment, _entry: None, stale_ttl=STALE_TTL)

    def read(self, key: str) -> None:
        process = self.some_process()
        question, deadline = self.question(key, process.store), Deadline(DEADLINE)
        fate, known = self.random.random(), self.store.get(key)
        arrived = time.monotonic()
        least = 0.0  # when what serves this caller was fetched, at the earliest
        try:
            if fate < 0.25:
                least = arrived
                answer = process.reader.read_forced(question, deadline)
            elif fate < 0.35 and known is not None:
                least = self._told(known).started + TICK
                answer = process.reader.read_newer(question, known.fetched_at, deadline)
            else:
                answer = process.reader.read(question, deadline)
        except Died:
            return
        except AmadeusTimeout:
            assert time.monotonic() - arrived >= DEADLINE
        except AmadeusUnavailable:
            assert self._failed_after(key, arrived), "an error that nobody made for this caller"
        else:
            self._judge(answer, key, arrived, least)
        assert time.monotonic() - arrived < DEADLINE + SLACK

    def _told(self, entry: Entry) -> Fetch:
        """The fetch that an entry tells of."""
        return self.fetches[int(entry.body)]

    def _failed_after(self, key: str, arrived: float) -> bool:
        return self.stepped_at >= arrived or any(
            failed == key and failure.failed_at - self.offset >= arrived
            for failed, failure in self.failures
        )

    def _judge(self, answer: Answer, key: str, arrived: float, least: float) -> None:
        fetch = self._told(answer.entry)
        assert fetch.key == key
        # What a step of its clock fell into, the store cannot date.
        if self.stepped_at >= min(fetch.asked, least or fetch.asked):
            return
        assert fetch.started >= least, "fetched before what this caller may be served"
        stored_at = answer.entry.stored_at - self.offset
        if answer.outcome is Outcome.STALE:
            assert fetch.started + TTL + STALE_TTL > arrived, "too stale"
        else:
            assert fetch.started + TTL > arrived or stored_at >= arrived, "too old"

    def check_that_nobody_fetched_beside_another(self) -> None:
        for key in KEYS:
            living = [each for each in self.fetches if each.key == key and not each.died]
            for earlier, later in pairwise(living):
                stepped = earlier.asked <= self.stepped_at
                assert stepped or later.started >= earlier.ended, "two fetches of one key at once"


@pytest.fixture(autouse=True)
def _ten_times_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOCK_SECONDS", LOCK_SECONDS)
    monkeypatch.setattr(memory, "MARK_SECONDS", 0.5)
    monkeypatch.setattr(limits, "MARK_SECONDS", 0.5)
    monkeypatch.setattr(memory, "HANDOVER_SECONDS", 0.5)
    monkeypatch.setattr(read_through, "LOCK_RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(read_through, "POLL_SECONDS", (0.004, 0.008))


@contextmanager
def standstills() -> Iterator[list[float]]:
    """How long this process stood still meanwhile, at worst, as a busy machine may let it."""
    longest, done = [0.0], threading.Event()

    def watch() -> None:
        before = time.monotonic()
        while not done.wait(0.01):
            longest[0] = max(longest[0], time.monotonic() - before)
            before = time.monotonic()

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield longest
    done.set()
    watcher.join()


def played(seed: int, *, stepping: bool) -> Story:
    """The story of a seed. One in which time stood still for as long as a lock lives is told
    again: then a lock may expire although its owner lives, and the next may have it.
    """
    while True:
        story = Story(Random(seed))
        with standstills() as longest, ThreadPoolExecutor(max_workers=40) as threads:
            readers = []
            for _ in range(60):
                readers.append(threads.submit(story.read, story.random.choice(KEYS)))
                if stepping and story.random.random() < 0.05:
                    story.step_the_clock()
                time.sleep(story.random.choice((0, 0, 0.002, 0.02)))
            for reader in readers:
                reader.result()
        if longest[0] < LOCK_SECONDS / 2:
            return story


@pytest.mark.parametrize("stepping", [False, True], ids=["steady clock", "stepping clock"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_rule_holds_however_readers_failures_and_deaths_interleave(
    seed: int, *, stepping: bool
) -> None:
    story = played(seed, stepping=stepping)
    story.check_that_nobody_fetched_beside_another()
    assert len(story.fetches) < 60


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_step_of_the_store_s_clock_costs_a_fetch_and_no_answer(step: float) -> None:
    offset = EPOCH
    store = MemoryStore(clock=lambda: time.monotonic() + offset)
    fetched = 0

    def fetch(_deadline: Deadline) -> Fetched:
        nonlocal fetched
        fetched += 1
        return Fetched(str(fetched).encode(), 600)

    reader = ReadThrough(store, patience=1.0)
    question = Question("key", fetch, observe=lambda _moment, _entry: None)
    reader.read(question, Deadline(DEADLINE))
    offset += step
    answers = [reader.read(question, Deadline(DEADLINE)) for _ in range(20)]
    forced = reader.read_forced(question, Deadline(DEADLINE))
    assert int(forced.entry.body) == fetched <= 3
    assert all(0 <= answer.age < 600 for answer in answers)
