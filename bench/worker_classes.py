"""Compares gunicorn workers: hits alone, hits beside waiting misses, and the balance of load."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from threading import Timer

from bench.contenders import WORKERS, Running, Stage, started
from bench.contest import CLIENTS, RATE_HEAD, Runs, contest, manner, rate_cells, rate_ratio
from bench.load import Load, load, lost_answers
from bench.processes import memory_mb
from bench.report import circumstances, options, publish, table
from bench.stage import ROUTES, stage
from tests.support.processes import eventually
from tests.support.servers.service import Service, some_day

WAITING = 80
WAITING_SECONDS = 4.0
IN_USE = "gevent, clients spread (in use)"
_THREADS = "--config bench/gthread.conf.py"
WAYS: dict[str, dict[str, object]] = {
    IN_USE: {},
    "gevent, gunicorn's own": {"gunicorn_cmd_args": "--worker-class gevent"},
    "gevent, SO_REUSEPORT": {"gunicorn_cmd_args": "--worker-class gevent --reuse-port"},
    "gthread, 8 threads": {"gunicorn_cmd_args": _THREADS, "threads": 8},
    "gthread, 64 threads": {"gunicorn_cmd_args": _THREADS, "threads": 64},
}


def cold_queries() -> Iterator[dict[str, str]]:
    """Yield queries that are not cached, each once."""
    for ahead in range(40, 300):
        for origin, destination in ROUTES:
            yield {"origin": origin, "destination": destination, "date": some_day(ahead)}


COLD = cold_queries()


def beside_waiting(service: Service, stage: Stage, seconds: float) -> Load | None:
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
            return load(service.url, stage.prices, seconds, CLIENTS)
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


def row(name: str, runs: Runs, memory: float, beside: Load | None, lost: int) -> list[str]:
    """Return the row of one worker class. memory: in MB. beside: None if those hits waited too."""
    its = runs[name]
    cells = ["stuck", "stuck"]
    if beside is not None:
        cells = [f"{beside.rate:,.0f}", f"{beside.p99_ms:.0f}"]
    fullest = [run.fullest for run in its]
    return [
        name,
        *rate_cells(its),
        f"{rate_ratio(runs, name, IN_USE):.2f}",
        f"{median(run.busy.p99_ms for run in its):.0f}",
        *cells,
        f"{memory:.0f}",
        f"{min(fullest)} … {max(fullest)}",
        str(lost),
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reloads", type=int, default=3)
    parser.add_argument("--only", default="", help="the ways whose name contains this")
    wanted = parser.parse_args()
    ways = [name for name in WAYS if name == IN_USE or wanted.only in name]
    conditions = circumstances()
    rows = []
    with stage() as it, ExitStack() as stack:
        services = {name: stack.enter_context(started(it, **WAYS[name])) for name in ways}
        running = {
            name: Running(one.port, one.process.pid, it.prices) for name, one in services.items()
        }
        runs = contest(running, wanted.rounds, wanted.seconds)
        for name, service in services.items():
            memory = memory_mb(service.process.pid)
            beside = beside_waiting(service, it, WAITING_SECONDS)
            lost = lost_in_reloads(service, it.prices, wanted.reloads)
            rows.append(row(name, runs, memory, beside, lost))
    head = ["", *RATE_HEAD, "over the one in use", "p99 ms", f"hits/s beside {WAITING} waiting"]
    head += ["p99 ms beside them", "memory MB", "clients of the fullest worker"]
    head += [f"lost in {wanted.reloads} reloads"]
    text = [conditions, manner(runs, wanted.seconds), table(head, rows)]
    publish("workers", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
