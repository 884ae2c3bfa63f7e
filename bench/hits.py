"""Compares the rate and latency of hits with peers, on the same machine and in one run."""

from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median

from bench.contenders import BARE, PEERS, SERVICE, WAYS, WORKERS, Running, Stage, Start
from bench.contest import RATE_HEAD, Run, Runs, contest, manner, rate_cells, rate_ratio
from bench.load import Load
from bench.processes import memory_mb, resident_mb
from bench.report import FRONT_PAGE, circumstances, options, publish, table, when_and_where
from bench.stage import bodies, stage

OVER_IT, OVER_SERVICE = "this service over it", "over this service"
MORE = ["p50 ms", "p99 ms", "p99 ms at half the rate", "memory MB", "resident MB a worker"]
MORE += ["clients of the fullest worker"]


def started(starts: Mapping[str, Start], it: Stage, stack: ExitStack) -> dict[str, Running]:
    """Start all contenders and compare their bodies. Raises RuntimeError if they differ."""
    running = {name: stack.enter_context(start(it)) for name, start in starts.items()}
    expected = bodies(running[SERVICE])
    for name, one in running.items():
        found = bodies(one)
        if name != BARE and one.paths == it.prices and found != expected:
            raise RuntimeError(f"{name} answers differently from the service")
    return running


def row(name: str, runs: Runs, ratio: float, memory: tuple[float, float]) -> list[str]:
    """Return the row of a contender, with its ratio. memory: in MB, of all and of one worker."""
    its, fullest = runs[name], [run.fullest for run in runs[name]]
    return [
        name,
        *rate_cells(its),
        f"{ratio:.2f}",
        f"{median(run.busy.p50_ms for run in its):.1f}",
        f"{median(run.busy.p99_ms for run in its):.1f}",
        f"{median(each.p99_ms for each in halves(its)):.1f}",
        f"{memory[0]:.0f}",
        f"{memory[1]:.0f}",
        f"{min(fullest)} … {max(fullest)}",
    ]


def halves(its: list[Run]) -> list[Load]:
    """Return the loads at half of the rate."""
    return [run.half for run in its if run.half]


def front_table(runs: Runs, memory: Mapping[str, tuple[float, float]]) -> str:
    """Return the shorter table for the front page."""
    rows = [
        [
            name,
            f"{median(run.busy.rate for run in runs[name]):,.0f}",
            f"{rate_ratio(runs, SERVICE, name):.2f}",
            f"{median(each.p50_ms for each in halves(runs[name])):.1f}",
            f"{median(each.p99_ms for each in halves(runs[name])):.1f}",
            f"{memory[name][0]:.0f}",
        ]
        for name in PEERS
        if name in runs
    ]
    return table(["", "requests/s", OVER_IT, "p50 ms", "p99 ms", "memory MB"], rows)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="a load; 0 compares answers only")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    wanted = parser.parse_args()
    conditions = circumstances()
    starts = {
        name: start
        for name, start in {**PEERS, **WAYS}.items()
        if name in (BARE, SERVICE) or wanted.only in name
    }
    with stage() as it, ExitStack() as stack:
        running = started(starts, it, stack)
        if not wanted.seconds:
            print("\n".join(running))
            return
        runs = contest(running, wanted.rounds, wanted.seconds, half=True)
        memory = {name: (memory_mb(one.pid), resident_mb(one.pid)) for name, one in running.items()}
    peers = [
        row(name, runs, rate_ratio(runs, SERVICE, name), memory[name])
        for name in PEERS
        if name in runs
    ]
    ways = [
        row(name, runs, rate_ratio(runs, name, SERVICE), memory[name])
        for name in (SERVICE, *WAYS)
        if name in runs
    ]
    text = [
        conditions,
        manner(runs, wanted.seconds),
        table(["", *RATE_HEAD, OVER_IT, *MORE], peers),
    ]
    publish("hits", "\n\n".join(text), write=wanted.write)
    own = table(["", *RATE_HEAD, OVER_SERVICE, *MORE], ways)
    publish("ways", f"In the same rounds:\n\n{own}", write=wanted.write)
    short = f"{when_and_where()}, {WORKERS} workers each; latencies at half of the rate."
    front = f"{short}\n\n{front_table(runs, memory)}"
    publish("hits", front, write=wanted.write, page=FRONT_PAGE)


if __name__ == "__main__":
    main()
