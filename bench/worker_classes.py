"""Compares gunicorn workers: hits alone, hits beside waiting misses, and the balance of load."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, permutations
from pathlib import Path
from threading import Timer

from bench.contenders import WORKERS, Stage
from bench.load import Load, load, lost_answers
from bench.processes import cpu_seconds, memory_mb, spread
from bench.report import circumstances, options, publish, table
from bench.stage import CITIES, stage
from tests.support.processes import eventually
from tests.support.servers.service import Service, some_day

CLIENTS = 32
WAITING = 80
_THREADS = "--config bench/gthread.conf.py"
WAYS: dict[str, dict[str, object]] = {
    "gevent, clients spread (in use)": {},
    "gevent, gunicorn's own": {"gunicorn_cmd_args": "--worker-class gevent"},
    "gevent, SO_REUSEPORT": {"gunicorn_cmd_args": "--worker-class gevent --reuse-port"},
    "gthread, 8 threads": {"gunicorn_cmd_args": _THREADS, "threads": 8},
    "gthread, 64 threads": {"gunicorn_cmd_args": _THREADS, "threads": 64},
}


@dataclass(frozen=True, slots=True)
class Run:
    """The measurements of one worker class.

    busy: hits alone. beside: hits while other requests wait for Amadeus; None if hits waited too.
    lost: number of answers lost in reloads.
    """

    busy: Load
    beside: Load | None
    cpu_us: float
    clients: list[int]
    memory_mb: float
    lost: int


def cold_queries() -> Iterator[dict[str, str]]:
    """Yield queries that are not cached, each once."""
    for ahead in range(40, 300):
        for origin, destination in permutations(CITIES, 2):
            yield {"origin": origin, "destination": destination, "date": some_day(ahead)}


COLD = cold_queries()


def measure(service: Service, stage: Stage, paths: Path, seconds: float, reloads: int) -> Run:
    """Measure one worker class."""
    load(service.url, paths, 1, CLIENTS)
    clients: list[int] = []
    pid = service.process.pid
    count_clients = Timer(seconds / 2, lambda: clients.extend(spread(pid, service.port)))
    count_clients.start()
    spent = -cpu_seconds(pid)
    busy = load(service.url, paths, seconds, CLIENTS)
    spent += cpu_seconds(pid)
    count_clients.join()
    memory = memory_mb(pid)
    beside = beside_waiting(service, stage, paths, seconds)
    lost = lost_in_reloads(service, paths, reloads)
    return Run(busy, beside, 1e6 * spent / busy.requests, clients, memory, lost)


def beside_waiting(service: Service, stage: Stage, paths: Path, seconds: float) -> Load | None:
    """Measure hits while WAITING other requests wait for Amadeus. Return None if hits wait too."""
    stage.sandbox.clear()
    stage.sandbox.settings(latency=1000 * (seconds + 3))
    queries = list(islice(COLD, WAITING))
    with ThreadPoolExecutor(WAITING) as crowd:
        for query in queries:
            crowd.submit(service.price, **query)
        eventually(lambda: stage.sandbox.counters()["search"]["calls"] >= WORKERS)
        time.sleep(0.5)  # some of the others may never reach Amadeus, so there is no condition
        try:
            return load(service.url, paths, seconds, CLIENTS)
        except RuntimeError:
            return None
        finally:
            stage.sandbox.settings(latency=0)


def lost_in_reloads(service: Service, paths: Path, count: int) -> int:
    """Return the number of answers lost while gunicorn reloads its workers."""
    reloads = [
        Timer(1 + number, service.process.send_signal, [signal.SIGHUP]) for number in range(count)
    ]
    for each in reloads:
        each.start()
    return lost_answers(service.url, paths, count + 2, CLIENTS)


def row(name: str, run: Run) -> list[str]:
    """Return the table row of one worker class."""
    beside = ["stuck", "stuck"]
    if run.beside is not None:
        beside = [f"{run.beside.rate:,.0f}", f"{run.beside.p99_ms:.0f}"]
    return [
        name,
        f"{run.busy.rate:,.0f}",
        f"{run.cpu_us:.0f}",
        f"{run.busy.p99_ms:.0f}",
        *beside,
        f"{run.memory_mb:.0f}",
        " + ".join(map(str, run.clients)),
        str(run.lost),
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--reloads", type=int, default=3)
    parser.add_argument("--only", default="", help="the ways whose name contains this")
    wanted = parser.parse_args()
    rows = []
    conditions = circumstances()
    with stage() as (it, paths):
        for name, settings in WAYS.items():
            if wanted.only not in name:
                continue
            fleet = {"redis_url": it.redis.url, "web_concurrency": WORKERS, **settings}
            with Service.on(it.sandbox, **fleet) as service:
                rows.append(row(name, measure(service, it, paths, wanted.seconds, wanted.reloads)))
    head = ["", "hits/s", "CPU µs a hit", "p99 ms", f"hits/s beside {WAITING} waiting"]
    head += [
        "p99 ms beside them",
        "memory MB",
        "clients of each worker",
        f"lost in {wanted.reloads} reloads",
    ]
    publish("workers", f"{conditions}\n\n{table(head, rows)}", write=wanted.write)


if __name__ == "__main__":
    main()
