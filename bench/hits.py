"""Compares the rate and latency of hits with peers, on the same machine and in one run."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Timer

from bench.contenders import BARE, CONTENDERS, SERVICE, WORKERS, Running
from bench.load import Load, load
from bench.processes import cpu_seconds, memory_mb, spread
from bench.report import FRONT_PAGE, circumstances, options, publish, table, when_and_where
from bench.stage import bodies, stage

CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One contender in one round.

    busy: load of clients that never pause; half: load at half of that rate.
    cpu_us: CPU time per request in microseconds, without wrk and Redis.
    spread: number of clients of each worker.
    """

    busy: Load
    half: Load
    cpu_us: float
    spread: list[int]
    memory_mb: float


def measure(running: Running, paths: Path, seconds: float) -> Run:
    """Measure a running contender."""
    load(running.url, paths, 1, CLIENTS)  # so that every worker has seen every route
    clients: list[int] = []
    count_clients = Timer(seconds / 2, lambda: clients.extend(spread(running.pid, running.port)))
    spent = -cpu_seconds(running.pid)
    count_clients.start()
    busy = load(running.url, paths, seconds, CLIENTS)
    spent += cpu_seconds(running.pid)
    count_clients.join()
    half = load(running.url, paths, seconds, CLIENTS, busy.rate / 2)
    cpu_us = 1e6 * spent / busy.requests
    return Run(busy, half, cpu_us, clients, memory_mb(running.pid))


def rounds(count: int, seconds: float, peers: str) -> dict[str, list[Run]]:
    """Measure every contender in each round, so that a slow phase of the machine affects all."""
    runs: dict[str, list[Run]] = defaultdict(list)
    with stage() as (it, paths):
        expected: list[bytes] = []
        for number in range(1, count + 1):
            for name, start in CONTENDERS.items():
                if name not in (BARE, SERVICE) and peers not in name:
                    continue
                with start(it) as running:
                    if name == SERVICE:
                        expected = bodies(running)
                    elif name != BARE and bodies(running) != expected:
                        raise RuntimeError(f"{name} answers differently from the service")
                    if not seconds:
                        print(f"{name}: answers", flush=True)
                        continue
                    runs[name].append(measure(running, paths, seconds))
                print(f"round {number}: {name}: {runs[name][-1].busy.rate:,.0f}/s", flush=True)
    return runs


def ratio(runs: dict[str, list[Run]], over: str, under: str) -> float:
    """Return the ratio of two contenders' rates: the median of the rounds' ratios."""
    pairs = zip(runs[over], runs[under], strict=True)
    return median(one.busy.rate / other.busy.rate for one, other in pairs)


def rows(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Return a row for each contender: medians, and the range of its rates."""
    lines = []
    for name, its in runs.items():
        rates = [run.busy.rate for run in its]
        spreads = [" + ".join(map(str, run.spread)) for run in its]
        lines.append(
            [
                name,
                f"{median(rates):,.0f}",
                f"{min(rates):,.0f} … {max(rates):,.0f}",
                f"{ratio(runs, name, BARE):.2f}",
                f"{median(run.cpu_us for run in its):.0f}",
                f"{median(run.busy.p50_ms for run in its):.1f}",
                f"{median(run.busy.p99_ms for run in its):.1f}",
                f"{median(run.half.p99_ms for run in its):.1f}",
                f"{median(run.memory_mb for run in its):.0f}",
                ", ".join(spreads),
            ]
        )
    return lines


def short_rows(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Return shorter rows for the front page."""
    return [
        [
            name,
            f"{median(run.busy.rate for run in its):,.0f}",
            f"{ratio(runs, name, BARE):.2f}",
            f"{median(run.half.p50_ms for run in its):.1f}",
            f"{median(run.half.p99_ms for run in its):.1f}",
            f"{median(run.memory_mb for run in its):.0f}",
        ]
        for name, its in runs.items()
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="a load; 0 compares answers only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="", help="those whose name contains this")
    wanted = parser.parse_args()
    conditions = circumstances()
    runs = rounds(wanted.rounds, wanted.seconds, wanted.peers)
    if not runs:
        return
    head = ["", "requests/s", "lowest … highest", "over bare Falcon", "CPU µs a request", "p50 ms"]
    head += ["p99 ms", "p99 ms at half the rate", "memory MB", "clients of each worker"]
    manner = (
        f"{wanted.rounds} interleaved rounds of {wanted.seconds:g} s a load, {WORKERS} workers,"
        f" {CLIENTS} clients that never pause; medians."
    )
    publish("hits", "\n\n".join([conditions, manner, table(head, rows(runs))]), write=wanted.write)
    short = ["", "requests/s", "over bare Falcon", "p50 ms", "p99 ms", "memory MB"]
    conditions = f"{when_and_where()}, {WORKERS} workers each; latencies at half of the rate."
    front = f"{conditions}\n\n{table(short, short_rows(runs))}"
    publish("hits", front, write=wanted.write, page=FRONT_PAGE)


if __name__ == "__main__":
    main()
