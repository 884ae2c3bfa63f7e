"""Mixed load with temporary faults, and checks of what remains afterwards."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from api.services.cache.lifetimes import LOCK_SECONDS
from tests.support.clients.load import Load, Outcome
from tests.support.metrics_page import value
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

PER_SECOND: Final = 40
ROUTES: Final = 60
FAULT_SECONDS: Final = 2.0
SETTINGS: Final = {
    "cache_ttl": 5,
    "cache_stale_ttl": 20,
    "amadeus_timeout": 4,
    "request_deadline": 10,
    "web_concurrency": 2,
}

# An owner extends its lock to 3 s every second. A lock with less than this has lost its owner.
FORGOTTEN_MS: Final = 1000
# The maximum difference between two clocks.
TOLERANCE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that goes wrong for a while.

    may: the statuses that it explains, besides 200; 0 is a broken connection.
    lingers: seconds after its end in which a call that began under it, and callers that joined that
    call, may still fail.
    sells: whether Amadeus sells any price meanwhile. orphans: whether locks lose their owner.
    """

    name: str
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None
    may: tuple[int, ...] = ()
    lingers: float = 0
    sells: bool = True
    orphans: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """The time of a fault, by time.monotonic.

    since, until: from before it was caused until its last effect was over.
    began, ended: the time in which the fault was certainly active.
    """

    fault: Disturbance
    since: float
    began: float
    ended: float
    until: float

    def excuses(self, outcome: Outcome) -> bool:
        """Whether this fault explains the outcome of a request."""
        ended_at = outcome.asked_at + outcome.seconds
        in_time = ended_at > self.since and outcome.asked_at < self.until + self.fault.lingers
        return in_time and outcome.status in self.fault.may

    def contradicts(self, outcome: Outcome) -> bool:
        """Whether, by its age, a price dates from a time when Amadeus sold none."""
        if self.fault.sells or outcome.status != 200:
            return False
        earliest = outcome.asked_at - outcome.age - 1  # ages are in whole seconds
        latest = outcome.asked_at + outcome.seconds - outcome.age
        began, ended = self.began + TOLERANCE_SECONDS, self.ended - TOLERANCE_SECONDS
        return began < earliest and latest < ended


@dataclass(frozen=True, slots=True)
class Size:
    """Resident memory (MB) and open files of a process, at a time of time.monotonic."""

    at: float
    memory: float
    files: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a process."""

    first: Size
    last: Size

    @property
    def seconds(self) -> float:
        """The time between both measurements."""
        return self.last.at - self.first.at

    def __str__(self) -> str:
        return (
            f"{self.first.memory:.0f} MB and {self.first.files} files at first,"
            f" {self.last.memory:.0f} MB and {self.last.files} files {self.seconds:.0f} s later"
        )


@dataclass
class Findings:
    """The results of a soak."""

    seconds: float
    outcomes: list[Outcome]
    windows: list[Window]
    master: Growth
    worker: Growth
    endless_keys: set[bytes]
    forgotten_locks: set[bytes]
    bugs: list[str]

    def unexpected(self) -> list[str]:
        """Failed requests that no fault explains, each with the current fault."""
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
        """The highest age among answers with these X-Cache values."""
        return max((each.age for each in self.outcomes if each.cache in caches), default=0)

    def false_ages(self) -> list[Outcome]:
        """Answers whose Age header cannot be true."""
        return [each for each in self.outcomes if any(w.contradicts(each) for w in self.windows)]

    def report(self) -> str:
        """The report for people and docs/operations.md."""
        faults = Counter(window.fault.name for window in self.windows)
        statuses = Counter(outcome.status for outcome in self.outcomes)
        caches = Counter(outcome.cache for outcome in self.outcomes if outcome.cache)
        lines = {
            "faults": f"{faults.total()}: {_listed(faults)}",
            "requests": f"{statuses.total()}: {_listed(statuses)} (0: no answer)",
            "answers": _listed(caches),
            "unexplained": f"{len(self.unexpected())}",
            "oldest price": f"hit {self.oldest('hit')} s of {SETTINGS['cache_ttl']} s, stale "
            f"{self.oldest('stale')} s of {SETTINGS['cache_ttl'] + SETTINGS['cache_stale_ttl']} s",
            "false ages": f"{len(self.false_ages())}",
            "keys without end": f"{len(self.endless_keys)}",
            "locks forgotten": f"{len(self.forgotten_locks)}",
            "the master": f"{self.master}",
            "a worker": f"{self.worker}",
            "bugs logged": f"{len(self.bugs)}",
        }
        told = [f"soak of {self.seconds:.0f} s"]
        told += [f"  {name + ':':<18} {what}" for name, what in lines.items()]
        return "\n".join(told)


class Soak:
    """A service under load, in rounds of all faults."""

    def __init__(self, service: Service, redis: RedisServer, sandbox: SandboxServer) -> None:
        self._service = service
        self._redis = redis
        self._sandbox = sandbox
        self._windows: list[Window] = []
        self._sizes: dict[int, list[Size]] = {}
        self._endless: set[bytes] = set()
        self._forgotten: set[bytes] = set()
        self._orphans_until = 0.0

    def run(self, seconds: float) -> Findings:
        """Run whole rounds until the time is over, at least two."""
        began = time.monotonic()
        rounds = 0
        with Load(self._service.url, PER_SECOND, ROUTES, keep_alive=False) as load:
            eventually(lambda: len(load.outcomes) > 2 * PER_SECOND)
            self._disturb(self._reload())
            while rounds < 2 or time.monotonic() - began < seconds:
                for fault in self._disturbances():
                    self._disturb(fault)
                self._measure()
                rounds += 1
            # No reload between rounds, so that one worker has time to grow.
            self._disturb(self._reload())
        with suppress(AssertionError):  # leftovers are found now
            eventually(lambda: not self._redis.keys("*:lock"), within=1)
        self._forgotten |= set(self._redis.keys("*:lock"))
        grown = {pid: Growth(sizes[0], sizes[-1]) for pid, sizes in self._sizes.items()}
        return Findings(
            seconds=time.monotonic() - began,
            outcomes=load.outcomes,
            windows=self._windows,
            master=grown.pop(self._service.process.pid),
            worker=max(grown.values(), key=lambda growth: growth.seconds),
            endless_keys=self._endless,
            forgotten_locks=self._forgotten,
            # Not parsed as JSON: a killed worker may leave half a line.
            bugs=[line for line in self._service.log_text.splitlines() if _is_bug(line)],
        )

    def _disturbances(self) -> Iterator[Disturbance]:
        redis, sandbox = self._redis, self._sandbox
        yield Disturbance("worker killed", self._kill_youngest, may=(0,), orphans=True)
        yield Disturbance("Redis killed", redis.kill, redis.start, orphans=True)
        yield Disturbance("Redis frozen", redis.freeze, redis.thaw, orphans=True)
        yield Disturbance("tokens revoked", sandbox.revoke_tokens)
        # After ten failures of any kind, a worker opens its circuit for a while: 503.
        yield self._of_amadeus("status", 500, may=(503,))
        hung = SETTINGS["amadeus_timeout"] + 1
        yield self._of_amadeus("hang", may=(504, 503), lingers=hung, sells=False)
        yield self._of_amadeus("reset", may=(503,))
        yield self._of_amadeus("invalid_json", may=(502, 503))
        # A worker with an open circuit probes with one call at a time, which now takes longer.
        yield self._of_amadeus("latency", 700, may=(503,))

    def _of_amadeus(self, name: str, arg: float | None = None, **rest: Any) -> Disturbance:
        def begin() -> None:
            self._sandbox.fault("search", name, arg)

        return Disturbance(f"Amadeus: {name}", begin, self._sandbox.clear, **rest)

    def _reload(self) -> Disturbance:
        def begin() -> None:
            before = set(self._service.workers())
            self._service.process.send_signal(signal.SIGHUP)
            eventually(lambda: not before & set(self._service.workers()))

        return Disturbance("SIGHUP", begin)

    def _disturb(self, fault: Disturbance) -> None:
        since = time.monotonic()
        fault.begin()
        began = time.monotonic()
        time.sleep(FAULT_SECONDS)  # the load continues
        ended = time.monotonic()
        fault.end()
        eventually(self._is_well)
        self._windows.append(Window(fault, since, began, ended, time.monotonic()))
        if fault.orphans:
            self._orphans_until = time.monotonic() + LOCK_SECONDS
        self._look_at_keys()

    def _look_at_keys(self) -> None:
        has_orphans = time.monotonic() < self._orphans_until
        redis = self._redis.client
        for key in self._redis.keys("*"):
            left = redis.pttl(key)  # milliseconds; -1: no expiry, -2: no such key
            if left == -1:
                self._endless.add(key)
            elif key.endswith(b":lock") and 0 <= left < FORGOTTEN_MS and not has_orphans:
                self._forgotten.add(key)

    def _is_well(self) -> bool:
        return (
            value(self._service, "workers") == SETTINGS["web_concurrency"]
            and value(self._service, "redis_down_workers") == 0
            and value(self._service, "breaker_open_workers") == 0
            and self._service.price(date=some_day(200), nocache="1").is_success
        )

    def _kill_youngest(self) -> None:
        os.kill(max(self._service.workers()), signal.SIGKILL)

    def _measure(self) -> None:
        for process in (self._service.process.pid, *self._service.workers()):
            status = Path(f"/proc/{process}/status").read_text()
            megabytes = int(status.partition("VmRSS:")[2].split()[0]) / 1024
            files = len(list(Path(f"/proc/{process}/fd").iterdir()))
            size = Size(time.monotonic(), megabytes, files)
            self._sizes.setdefault(process, []).append(size)


def _is_bug(line: str) -> bool:
    """Whether a log line shows a bug: an error event, or output outside the log."""
    return '"event":"http.error"' in line or not line.startswith("{")


def _listed(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
