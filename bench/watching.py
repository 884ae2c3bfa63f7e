"""What counting costs: the service beside itself without its metrics."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.contenders import WORKERS, Running, Stage
from bench.load import load
from bench.processes import ROOT, Server
from bench.report import circumstances, options, publish, table
from bench.stage import bodies, stage
from tests.processes import free_port
from tests.service import CLIENT_ID, CLIENT_SECRET

CLIENTS = 32
SERVICE, UNWATCHED = "this service", "without metrics"
APPLICATIONS = {SERVICE: "api.wsgi:application", UNWATCHED: "bench.unwatched:application"}


@contextmanager
def started(application: str, it: Stage) -> Iterator[Running]:
    """The service with its own settings of gunicorn, whichever of the two it is."""
    port = free_port()
    environment = {
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": it.redis.url,
        "WEB_CONCURRENCY": str(WORKERS),
        "LOG_FORMAT": "json",
        "AMADEUS_BASE_URL": it.sandbox.url,
        "AMADEUS_CLIENT_ID": CLIENT_ID,
        "AMADEUS_CLIENT_SECRET": CLIENT_SECRET,
    }
    command = [f"{Path(sys.executable).parent}/gunicorn", application]
    with Server(command, port, it.path, environment) as server:
        yield Running(port, server.process.pid)


def rates(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Requests a second of each in each round; the two take turns."""
    found: dict[str, list[float]] = defaultdict(list)
    with stage() as (it, paths):
        for _ in range(rounds):
            for name, application in APPLICATIONS.items():
                with started(application, it) as running:
                    bodies(running)
                    load(running.url, paths, 1, CLIENTS)
                    found[name].append(load(running.url, paths, seconds, CLIENTS).rate)
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="how long each load lasts")
    parser.add_argument("--rounds", type=int, default=7)
    wanted = parser.parse_args()
    conditions = circumstances()
    found = rates(wanted.rounds, wanted.seconds)
    cost = 1 - median(
        watched / unwatched
        for watched, unwatched in zip(found[SERVICE], found[UNWATCHED], strict=True)
    )
    rows = [
        [name, f"{median(each):,.0f}", f"{min(each):,.0f} … {max(each):,.0f}"]
        for name, each in found.items()
    ]
    manner = (
        f"{wanted.rounds} interleaved rounds of {wanted.seconds:g} s a load, {WORKERS} workers,"
        f" {CLIENTS} clients that never pause; medians."
    )
    text = [
        conditions,
        manner,
        table(["", "requests/s", "lowest … highest"], rows),
        f"Counting costs {cost:.1%} of the rate of hits.",
    ]
    publish("watching", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
