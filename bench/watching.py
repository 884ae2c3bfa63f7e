"""Measures the cost of metrics, logs and spans."""

import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from bench.contenders import WORKERS, Running, Stage
from bench.load import load
from bench.processes import ROOT, Server
from bench.report import circumstances, options, publish, table
from bench.stage import bodies, stage
from tests.support.processes import free_port
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET

CLIENTS = 32
SERVICE, UNCOUNTED = "this service", "without metrics"
# The ratio of OTEL_TRACES_SAMPLER=traceidratio; None for the service's own sampler.
SPANS = {
    "with spans": None,
    "with a sampler that takes none": "0",
    "with a sampler that takes one in ten": "0.1",
    "with all spans": "1",
}
QUIET = "with LOG_LEVEL=warning"
OTHERS = (UNCOUNTED, QUIET, *SPANS)


class _Sink(BaseHTTPRequestHandler):
    """A collector that accepts all spans and discards them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collector() -> Iterator[str]:
    """Run a collector and return its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def started(way: str, it: Stage, spans_to: str) -> Iterator[Running]:
    """Run the service with its own gunicorn configuration, in one of the ways to observe it."""
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
    if way == QUIET:
        environment["LOG_LEVEL"] = "warning"
    if way in SPANS:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = spans_to
        if ratio := SPANS[way]:
            environment["OTEL_TRACES_SAMPLER"] = "traceidratio"
            environment["OTEL_TRACES_SAMPLER_ARG"] = ratio
    application = "bench.unwatched:application" if way == UNCOUNTED else "api.wsgi:application"
    command = [f"{Path(sys.executable).parent}/gunicorn", application]
    with Server(command, port, it.path, environment) as server:
        yield Running(port, server.process.pid)


def rates(ways: list[str], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the requests per second of each way and round. The ways alternate."""
    found: dict[str, list[float]] = defaultdict(list)
    with stage() as (it, paths), collector() as spans_to:
        for _ in range(rounds):
            for way in ways:
                with started(way, it, spans_to) as running:
                    bodies(running)
                    load(running.url, paths, 1, CLIENTS)
                    found[way].append(load(running.url, paths, seconds, CLIENTS).rate)
    return found


def cost(found: dict[str, list[float]], watched: str, unwatched: str) -> float:
    """Return the fraction of the rate that is lost: the median of the rounds' fractions."""
    pairs = zip(found[watched], found[unwatched], strict=True)
    return 1 - median(one / other for one, other in pairs)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="how long each load lasts")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="the ways to watch whose name contains this")
    wanted = parser.parse_args()
    conditions = circumstances()
    ways = [SERVICE, *(way for way in OTHERS if wanted.only in way)]
    found = rates(ways, wanted.rounds, wanted.seconds)
    rows = [
        [way, f"{median(each):,.0f}", f"{min(each):,.0f} … {max(each):,.0f}"]
        for way, each in found.items()
    ]
    manner = (
        f"{wanted.rounds} interleaved rounds of {wanted.seconds:g} s a load, {WORKERS} workers,"
        f" {CLIENTS} clients that never pause; medians."
    )
    costs = [f"counting costs {cost(found, SERVICE, UNCOUNTED):.1%}"] if UNCOUNTED in ways else []
    costs += [f"the log costs {cost(found, SERVICE, QUIET):.1%}"] if QUIET in ways else []
    costs += [f"{cost(found, way, SERVICE):.1%} are lost {way}" for way in SPANS if way in ways]
    summary = (
        f"Of the rate of hits, {'; '.join(costs)}. Each is the median of what the rounds say, not"
        " what the medians above say."
    )
    head = ["", "requests/s", "lowest … highest"]
    text = [conditions, manner, table(head, rows), summary]
    publish("watching", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
