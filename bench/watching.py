"""Measures the cost of metrics, logs and spans."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.contenders import LIFE_SECONDS, WORKERS, Running, Stage
from bench.contest import RATE_HEAD, Runs, contest, manner, rate_cells, rate_ratio
from bench.processes import ROOT, Server
from bench.report import circumstances, options, publish, table
from bench.stage import stage
from tests.support.processes import free_port
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET

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
        "CACHE_TTL": str(LIFE_SECONDS),
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
        yield Running(port, server.process.pid, it.prices)


def cost(runs: Runs, watched: str, unwatched: str) -> str:
    """Return how much of the rate is lost."""
    return f"{1 - rate_ratio(runs, watched, unwatched):.1%}"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", default="", help="the ways to watch whose name contains this")
    wanted = parser.parse_args()
    conditions = circumstances()
    ways = [SERVICE, *(way for way in OTHERS if wanted.only in way)]
    with stage() as it, collector() as spans_to, ExitStack() as stack:
        running = {way: stack.enter_context(started(way, it, spans_to)) for way in ways}
        runs = contest(running, wanted.rounds, wanted.seconds)
    rows = [
        [way, *rate_cells(its), f"{rate_ratio(runs, way, SERVICE):.2f}"]
        for way, its in runs.items()
    ]
    costs = [f"counting costs {cost(runs, SERVICE, UNCOUNTED)}"] if UNCOUNTED in ways else []
    costs += [f"the log costs {cost(runs, SERVICE, QUIET)}"] if QUIET in ways else []
    costs += [f"{cost(runs, way, SERVICE)} are lost {way}" for way in SPANS if way in ways]
    text = [
        conditions,
        manner(runs, wanted.seconds),
        table(["", *RATE_HEAD, "over this service"], rows),
        f"Of the rate of hits, {'; '.join(costs)}.",
    ]
    publish("watching", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
