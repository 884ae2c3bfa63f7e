"""Loads contenders that run side by side, in interleaved rounds."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from threading import Timer

from bench.contenders import Running
from bench.load import Load, load
from bench.processes import cpu_seconds, spread
from bench.rounds import interleaved, loop_ms, machine_speed, paired_ratio

CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One contender in one round.

    busy: load of clients that never pause. half: load at half of that rate; None if not wanted.
    cpu_us: CPU time a request in microseconds, without wrk and Redis. fullest: clients of the
    worker that has the most, halfway. loop_ms: of a fixed loop just before.
    """

    busy: Load
    half: Load | None
    cpu_us: float
    fullest: int
    loop_ms: float


Runs = dict[str, list[Run]]


def contest(
    contenders: Mapping[str, Running], rounds: int, seconds: float, *, half: bool = False
) -> Runs:
    """Load each contender for some seconds in each round; with `half`, at half its rate too."""
    for running in contenders.values():  # so that every worker has seen every path
        load(running.url, running.paths, 1, CLIENTS, key=running.key)
    runs: Runs = defaultdict(list)
    for name in interleaved(list(contenders), rounds):
        runs[name].append(_measure(contenders[name], seconds, half=half))
        print(f"{name}: {runs[name][-1].busy.rate:,.0f}/s", flush=True)
    return runs


def _measure(running: Running, seconds: float, *, half: bool) -> Run:
    clients: list[int] = []
    count_clients = Timer(seconds / 2, lambda: clients.extend(spread(running.pid, running.port)))
    loop = loop_ms()
    spent = -cpu_seconds(running.pid)
    count_clients.start()
    busy = load(running.url, running.paths, seconds, CLIENTS, key=running.key)
    spent += cpu_seconds(running.pid)
    count_clients.join()
    halved = None
    if half:
        rate = busy.rate / 2
        halved = load(running.url, running.paths, seconds, CLIENTS, rate=rate, key=running.key)
    return Run(busy, halved, 1e6 * spent / busy.requests, max(clients, default=0), loop)


def rate_ratio(runs: Runs, over: str, under: str) -> float:
    """Return the ratio of two contenders' rates: the median of the rounds' ratios."""
    return paired_ratio(
        [run.busy.rate for run in runs[over]], [run.busy.rate for run in runs[under]]
    )


def rate_cells(its: list[Run]) -> list[str]:
    """Return the cells of RATE_HEAD: rate, its range, CPU time a request and its minimum."""
    rates, spent = [run.busy.rate for run in its], [run.cpu_us for run in its]
    return [
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f} … {max(rates):,.0f}",
        f"{median(spent):.0f}",
        f"{min(spent):.0f}",
    ]


RATE_HEAD = ["requests/s", "lowest … highest", "CPU µs a request", "at least"]


def manner(runs: Runs, seconds: float) -> str:
    """Say how the rounds were made, and how fast the machine was in them."""
    rounds = len(next(iter(runs.values())))
    return (
        f"{rounds} interleaved rounds of {seconds:g} s a load, {CLIENTS} clients that never"
        " pause. Figures are medians of the rounds; a ratio is the median of the ratios"
        f" in each round. {machine_speed([run.loop_ms for its in runs.values() for run in its])}"
    )
