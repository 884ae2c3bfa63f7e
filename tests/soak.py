"""Mixed load with faults that come and go, and what is left when they are gone."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.load import Load, Outcome
from tests.metrics_page import value
from tests.processes import eventually
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service, some_day

PER_SECOND: Final = 40
ROUTES: Final = 60
FAULT_SECONDS: Final = 2.0
# Every process is replaced in each so manieth round; in between they have time to grow.
ROUNDS_OF_A_PROCESS: Final = 5
SETTINGS: Final = {
    "cache_ttl": 5,
    "cache_stale_ttl": 20,
    "amadeus_timeout": 4,
    "request_deadline": 10,
    "web_concurrency": 2,
}


# A call that began under a fault may end so much later, and all who joined it share its end.
LINGER_SECONDS: Final = SETTINGS["amadeus_timeout"] + 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a while.

    may: the statuses that it excuses, besides 200; 0 is a connection that broke.
    """

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    may: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """When a fault was there, until the last trace of it was gone; by time.monotonic."""

    fault: Fault
    since: float
    until: float

    def excuses(self, outcome: Outcome) -> bool:
        """Whether this fault explains that a request ended so."""
        ended_at = outcome.asked_at + outcome.seconds
        in_time = ended_at > self.since and outcome.asked_at < self.until + LINGER_SECONDS
        return in_time and outcome.status in self.fault.may


@dataclass(frozen=True, slots=True)
class Size:
    """Of one worker: resident memory in MB, and open file descriptors."""

    memory: float
    files: int


@dataclass
class Findings:
    """What a soak saw."""

    seconds: float
    outcomes: list[Outcome]
    windows: list[Window]
    sizes: dict[int, list[Size]]
    endless_keys: list[bytes]
    locks: list[bytes]
    mistakes: list[str]

    def unexpected(self) -> list[str]:
        """Requests that ended in a way that no fault explains, each with what was going on."""
        return [
            f"{outcome.status} {outcome.problem} after {outcome.seconds:.1f} s; {self._at(outcome)}"
            for outcome in self.outcomes
            if outcome.status != 200 and not any(each.excuses(outcome) for each in self.windows)
        ]

    def _at(self, outcome: Outcome) -> str:
        began = [window for window in self.windows if window.since < outcome.asked_at]
        if not began:
            return "before any fault"
        ago = outcome.asked_at - began[-1].since
        return f"asked {ago:.1f} s after {began[-1].fault.name} began"

    def oldest(self, *caches: str) -> int:
        """The highest age among answers that came this way."""
        return max((each.age for each in self.outcomes if each.cache in caches), default=0)

    def longest_lived(self) -> tuple[Size, Size]:
        """The worker that was seen most often: as it was at first, and at last."""
        seen = max(self.sizes.values(), key=len)
        return seen[0], seen[-1]

    def report(self) -> str:
        """For people, and for docs/operations.md."""
        faults = Counter(window.fault.name for window in self.windows)
        statuses = Counter(outcome.status for outcome in self.outcomes)
        caches = Counter(outcome.cache for outcome in self.outcomes if outcome.cache)
        first, last = self.longest_lived()
        lines = {
            "faults": f"{faults.total()}: {_listed(faults)}",
            "requests": f"{statuses.total()}: {_listed(statuses)} (0: no answer)",
            "answers": _listed(caches),
            "unexplained": f"{len(self.unexpected())}",
            "oldest price": f"hit {self.oldest('hit')} s of {SETTINGS['cache_ttl']} s, stale "
            f"{self.oldest('stale')} s of {SETTINGS['cache_ttl'] + SETTINGS['cache_stale_ttl']} s",
            "keys without end": f"{len(self.endless_keys)}",
            "locks left": f"{len(self.locks)}",
            "memory a worker": f"{first.memory:.0f} MB at first, {last.memory:.0f} MB at last",
            "open files": f"{first.files} at first, {last.files} at last",
            "mistakes logged": f"{len(self.mistakes)}",
        }
        told = [f"soak of {self.seconds:.0f} s"]
        told += [f"  {name + ':':<18} {what}" for name, what in lines.items()]
        return "\n".join(told)


class Soak:
    """One service under load for a while, in rounds of all faults."""

    def __init__(self, service: Service, redis: RedisServer, sandbox: SandboxServer) -> None:
        self._service = service
        self._redis = redis
        self._sandbox = sandbox
        self._windows: list[Window] = []
        self._sizes: dict[int, list[Size]] = {}

    def run(self, seconds: float) -> Findings:
        """Whole rounds, as many as have begun within that time, and two at least."""
        began = time.monotonic()
        rounds = 0
        with Load(self._service.url, PER_SECOND, ROUTES, keep_alive=False) as load:
            eventually(lambda: len(load.outcomes) > 2 * PER_SECOND)
            while rounds < 2 or time.monotonic() - began < seconds:
                if rounds % ROUNDS_OF_A_PROCESS == 0:
                    self._suffer(Fault("SIGHUP", self._reload, lambda: None))
                for fault in self._faults():
                    self._suffer(fault)
                self._measure()
                rounds += 1
        with suppress(AssertionError):  # what is left then is found
            eventually(lambda: not self._redis.keys("*:lock"), within=5)
        keys = self._redis.keys()
        return Findings(
            seconds=time.monotonic() - began,
            outcomes=load.outcomes,
            windows=self._windows,
            sizes=self._sizes,
            endless_keys=[key for key in keys if self._redis.client.pttl(key) == -1],
            locks=self._redis.keys("*:lock"),
            # Not parsed: a worker that is killed may leave half a line.
            mistakes=[line for line in self._service.log_text.splitlines() if _is_mistake(line)],
        )

    def _faults(self) -> Iterator[Fault]:
        redis, sandbox = self._redis, self._sandbox
        yield Fault("worker killed", self._kill_youngest, lambda: None, frozenset({0}))
        yield Fault("Redis killed", redis.kill, redis.start)
        yield Fault("Redis frozen", redis.freeze, redis.thaw)
        yield Fault("tokens revoked", sandbox.revoke_tokens, lambda: None)
        yield self._of_amadeus("status", 500, may=503)
        yield self._of_amadeus("hang", None, may=504)
        yield self._of_amadeus("reset", None, may=503)
        yield self._of_amadeus("invalid_json", None, may=502)
        yield self._of_amadeus("latency", 700, may=200)

    def _of_amadeus(self, name: str, arg: float | None, may: int) -> Fault:
        def begin() -> None:
            self._sandbox.fault("search", name, arg)

        # Once it has failed ten times, a worker holds back calls for a while: 503.
        return Fault(f"Amadeus: {name}", begin, self._sandbox.clear, frozenset({may, 503}))

    def _suffer(self, fault: Fault) -> None:
        with self._window(fault):
            fault.begin()
            time.sleep(FAULT_SECONDS)  # the load goes on
            fault.end()
            eventually(self._is_well)

    @contextmanager
    def _window(self, fault: Fault) -> Iterator[None]:
        since = time.monotonic()
        yield
        self._windows.append(Window(fault, since, time.monotonic()))

    def _is_well(self) -> bool:
        return (
            value(self._service, "workers") == SETTINGS["web_concurrency"]
            and value(self._service, "redis_down_workers") == 0
            and value(self._service, "breaker_open_workers") == 0
            and self._service.price(date=some_day(200), nocache="1").is_success
        )

    def _kill_youngest(self) -> None:
        os.kill(max(self._service.workers()), signal.SIGKILL)

    def _reload(self) -> None:
        before = set(self._service.workers())
        self._service.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & set(self._service.workers()))

    def _measure(self) -> None:
        for worker in self._service.workers():
            status = Path(f"/proc/{worker}/status").read_text()
            kilobytes = int(status.partition("VmRSS:")[2].split()[0])
            files = len(list(Path(f"/proc/{worker}/fd").iterdir()))
            self._sizes.setdefault(worker, []).append(Size(kilobytes / 1024, files))


def _is_mistake(line: str) -> bool:
    """An error of our own, or one so bad that it got past the log."""
    return '"event":"http.error"' in line or not line.startswith("{")


def _listed(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
