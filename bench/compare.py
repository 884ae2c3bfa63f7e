"""Compares a hit of this checkout with a hit of another one, by calling both without a server.

    git worktree add /tmp/before main && python -m bench.compare /tmp/before

Each checkout runs in a process of its own. The two take turns, a few milliseconds at a time, and
each pass of the one is compared with the next pass of the other, so a busy machine slows both. New
pairs of processes follow, because the layout of memory alone makes one process faster than another
for all of its life.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve()
ROUTES = 10
CALLS_A_PASS = 100
WARM_UP = 20  # passes that fill the caches
# Run by the processes, as a file, so that `bench` and `api` come from their checkouts.
IS_PASS_RUNNER = __name__ == "__main__" and sys.argv[1:] == ["--passes"]


def run_passes() -> None:
    """Print the processor time of a pass, in microseconds a hit, for each line of the input."""
    from bench import hit_budget, stage  # noqa: PLC0415 - this patches the process for gevent

    paths = stage.PATHS[:ROUTES]
    vars(hit_budget).update(PATHS=paths)
    with hit_budget.application() as app:
        environs = [hit_budget.environ(path) for path in paths] * (CALLS_A_PASS // ROUTES)
        for _ in sys.stdin:
            before = time.thread_time()
            for each in environs:
                app(dict(each), lambda *_: None)  # type: ignore[arg-type]
            print(1e6 * (time.thread_time() - before) / len(environs), flush=True)


@contextmanager
def passes_of(checkout: Path) -> Iterator[Callable[[], float]]:
    """Start a process; the function makes a pass in it and returns the microseconds of a hit."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", HERE, "--passes"],  # -P: no module of this folder shadows another
        cwd=checkout,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    reply, ask = process.stdout, process.stdin
    assert reply is not None  # noqa: S101 - both are pipes
    assert ask is not None  # noqa: S101

    def one_pass() -> float:
        ask.write("\n")
        ask.flush()
        return float(reply.readline())

    try:
        yield one_pass
    finally:
        ask.close()
        process.wait()


def compare(before: Path, after: Path, rounds: int) -> tuple[float, float, float]:
    """Return the medians of both, and that of the ratios of neighbouring passes."""
    spent: list[tuple[float, float]] = []
    with passes_of(before) as old, passes_of(after) as new:
        for number in range(rounds + WARM_UP):
            if number % 2:
                spent.append((old(), new()))
            else:
                spent.append((new(), old())[::-1])
    spent = spent[WARM_UP:]
    olds, news = zip(*spent, strict=True)
    return median(olds), median(news), median(one / other for other, one in spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=100)
    wanted = parser.parse_args()
    ratios = []
    for _ in range(wanted.pairs):
        old, new, ratio = compare(wanted.before.resolve(), HERE.parents[1], wanted.rounds)
        print(f"before {old:.1f} µs a hit, now {new:.1f} µs, ratio {ratio:.3f}", flush=True)
        ratios.append(ratio)
    low, middle, high = quantiles(ratios, n=4)
    print(f"median ratio {middle:.3f}, half of the pairs between {low:.3f} and {high:.3f}")


if IS_PASS_RUNNER:
    run_passes()
elif __name__ == "__main__":
    main()
