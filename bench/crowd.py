"""Measures crowds: clients that all connect at once and never pause, on ways to accept them."""

from pathlib import Path
from threading import Timer

from bench.contenders import WORKERS, Stage
from bench.load import load
from bench.processes import spread
from bench.report import circumstances, options, publish, table
from bench.stage import stage
from tests.support.processes import eventually
from tests.support.servers.service import Service

CROWDS = (32, 100, 500, 1000)
WAYS = {
    "shares (in use)": "",
    "gevent's server, 16 a turn": "--worker-class bench.one_listener.SixteenATurn",
    "gunicorn's own, one a turn": "--worker-class gevent",
}


def rows_of(
    way: str, stage: Stage, crowds: list[int], rounds: int, seconds: float
) -> list[list[str]]:
    """Return a row for each crowd and round on one way to accept."""
    rows = []
    fleet = {"redis_url": stage.redis.url, "web_concurrency": WORKERS}
    with Service.on(stage.sandbox, gunicorn_cmd_args=WAYS[way], **fleet) as service:
        pid, port = service.process.pid, service.port
        load(service.url, stage.prices, 1, min(crowds))
        for clients in crowds * rounds:
            eventually(lambda: not spread(pid, port))  # else old connections count too
            counts: list[int] = []
            count = Timer(seconds / 2, lambda counts=counts: counts.extend(spread(pid, port)))
            count.start()
            figures = figures_of(service.url, stage.prices, seconds, clients)
            count.join()
            rows.append([way, f"{clients:,}", *figures, " + ".join(map(str, counts))])
    return rows


def figures_of(url: str, paths: Path, seconds: float, clients: int) -> list[str]:
    """Return the rate, p50, p99 and their ratio, or the word "stuck" for each."""
    try:
        busy = load(url, paths, seconds, clients)
    except RuntimeError:
        return ["stuck"] * 4
    ratio = busy.p99_ms / busy.p50_ms
    return [f"{busy.rate:,.0f}", f"{busy.p50_ms:,.0f}", f"{busy.p99_ms:,.0f}", f"{ratio:.1f}"]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, nargs="+", default=CROWDS)
    wanted = parser.parse_args()
    conditions = circumstances()
    rows = []
    with stage() as it:
        for way in WAYS:
            rows += rows_of(way, it, list(wanted.clients), wanted.rounds, wanted.seconds)
    head = ["", "clients", "hits/s", "p50 ms", "p99 ms", "p99 over p50", "clients of each worker"]
    text = f"{conditions} {wanted.seconds:g} s a load, {WORKERS} workers."
    publish("crowd", f"{text}\n\n{table(head, rows)}", write=wanted.write)


if __name__ == "__main__":
    main()
