"""Compares sizes of gunicorn: workers, connections, backlog and keep-alive."""

import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from bench.contenders import Running, Stage, started
from bench.contest import CLIENTS, RATE_HEAD, contest, manner, rate_cells
from bench.load import load, load_of_new_connections
from bench.processes import memory_mb, resident_mb
from bench.report import circumstances, options, publish, table
from bench.stage import stage
from bench.worker_classes import WAITING, WAITING_SECONDS, beside_waiting
from tests.support.clients.wire import PING
from tests.support.servers.service import Service

ROUNDS = 5
WORKER_COUNTS = (1, 2, 4)
CONNECTIONS = (20, 100, 1000)
BACKLOGS = (64, 512, 2048)
KEEP_ALIVES = (1, 5, 15)
CROWD = 900  # below the usual limit of 1024 open files
MAX_WAIT_SECONDS = 10.0


def served(it: Stage, gunicorn_options: str) -> Service:
    """Return the service with one size changed."""
    return started(it, gunicorn_cmd_args=gunicorn_options)


def of_workers(it: Stage, seconds: float) -> str:
    """Measure the rate of hits and the memory by number of workers."""
    with ExitStack() as stack:
        services = {
            str(count): stack.enter_context(started(it, web_concurrency=count))
            for count in WORKER_COUNTS
        }
        running = {
            name: Running(one.port, one.process.pid, it.prices) for name, one in services.items()
        }
        runs = contest(running, ROUNDS, seconds)
        rows = [
            [
                name,
                *rate_cells(its),
                f"{median(run.busy.p99_ms for run in its):.0f}",
                f"{memory_mb(running[name].pid):.0f}",
                f"{resident_mb(running[name].pid):.0f}",
            ]
            for name, its in runs.items()
        ]
    head = ["workers", *RATE_HEAD, "p99 ms", "memory MB", "resident MB a worker"]
    return f"{manner(runs, seconds)}\n\n{table(head, rows)}"


def of_connections(it: Stage, _seconds: float) -> str:
    """Measure hits beside waiting requests by the number of connections per worker."""
    rows = []
    for count in CONNECTIONS:
        with served(it, f"--worker-connections {count}") as service:
            load(service.url, it.prices, 1, CLIENTS)
            beside = beside_waiting(service, it, WAITING_SECONDS)
        cells = ["stuck", "stuck"]
        if beside is not None:
            cells = [f"{beside.rate:,.0f}", f"{beside.p99_ms:.0f}"]
        rows.append([str(count), *cells])
    return table(["connections a worker", f"hits/s beside {WAITING} waiting", "p99 ms"], rows)


def of_backlog(it: Stage, _seconds: float) -> str:
    """Measure the longest wait when CROWD clients connect at once, by the backlog."""
    rows = []
    for count in BACKLOGS:
        with served(it, f"--backlog {count}") as service:
            answered, slowest = crowd(service.port)
        rows.append([str(count), f"{answered:,}", f"{1000 * slowest:,.0f}"])
    return table(["backlog", f"answered of {CROWD:,} at once", "the last after ms"], rows)


def of_keep_alive(it: Stage, seconds: float) -> str:
    """Measure the duration of a stop and the rates of hits, by the keep-alive time."""
    rows = []
    for keep in KEEP_ALIVES:
        with served(it, f"--keep-alive {keep}") as service:
            kept = load(service.url, it.prices, seconds, CLIENTS).rate
            new = load_of_new_connections(service.url, it.prices, seconds, CLIENTS).rate
            took = seconds_to_stop(service)
        rows.append([str(keep), f"{kept:,.0f}", f"{new:,.0f}", f"{took:.1f}"])
    head = [
        "keep-alive s",
        "hits/s on kept connections",
        "on new ones",
        "a stop beside idle ones, s",
    ]
    return table(head, rows)


def crowd(port: int) -> tuple[int, float]:
    """Connect CROWD clients at once; return how many got an answer, and after how many seconds."""
    answered, began = 0, time.monotonic()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(CROWD):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            selector.register(client, selectors.EVENT_WRITE)
        last = began
        while selector.get_map() and time.monotonic() < began + MAX_WAIT_SECONDS:
            for key, ready in selector.select(0.1):
                client = key.fileobj  # type: ignore[assignment]
                if ready & selectors.EVENT_WRITE:
                    client.sendall(PING)
                    selector.modify(client, selectors.EVENT_READ)
                else:
                    answered += bool(client.recv(65536))
                    last = time.monotonic()
                    selector.unregister(client)
    return answered, last - began


def seconds_to_stop(service: Service) -> float:
    """Return the time from SIGTERM to the end while clients keep connections open."""
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            client.sendall(PING)
            client.recv(65536)
        service.http.close()
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        service.process.wait()
        return time.monotonic() - began


TABLES: dict[str, Callable[[Stage, float], str]] = {
    "workers": of_workers,
    "connections": of_connections,
    "backlog": of_backlog,
    "keep-alive": of_keep_alive,
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--only", default="", help="the size whose name contains this")
    wanted = parser.parse_args()
    conditions = circumstances()
    with stage() as it:
        tables = [make(it, wanted.seconds) for size, make in TABLES.items() if wanted.only in size]
    publish("sizes", "\n\n".join([conditions, *tables]), write=wanted.write)


if __name__ == "__main__":
    main()
