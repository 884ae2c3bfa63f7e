"""Measures how the time of a hit is spent, by serving requests in one worker without sockets.

Everything else is real: the entries come from Redis, the log and the metrics are written to files,
and gevent has patched the standard library as it does under gunicorn.
"""

from gevent import monkey

from api.serving.polling import install_nonblocking_poll

install_nonblocking_poll()
monkey.patch_all()

import io  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from types import FrameType  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

from api.app import create_app  # noqa: E402
from api.serving.metrics_folder import create_folder, remove_folder, take_slot  # noqa: E402
from api.settings import Settings  # noqa: E402
from api.telemetry.logs import configure_logs  # noqa: E402
from bench.one_worker import connection, settings  # noqa: E402
from bench.peers import bare_falcon  # noqa: E402
from bench.report import circumstances, options, publish, table  # noqa: E402
from bench.stage import PATHS  # noqa: E402
from tests.support.servers.redis_server import RedisServer  # noqa: E402

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

MEASURING = "measuring"
STEPS = {
    "/api/telemetry/log": "log",
    "/structlog/": "log",
    "/api/telemetry/metrics.py": "metrics",
    "/prometheus_client/": "metrics",
    "/api/http/request_context.py": "request id and the request's line",
    "/api/http/cache_headers.py": "cache headers",
    "/api/resources/": "the query, known from before",
    "/api/services/prices.py": "the use case and its line",
    "/api/services/cache/memory_store.py": "the copy in the process",
    "/api/services/cache/layered_store.py": "the copy in the process",
    "/cachetools/": "the copy in the process",
    "/api/services/": "read-through and deadline",
    "/falcon/": "Falcon",
    "/api/serving/gunicorn_response.py": "gunicorn, the response",
    "/gunicorn/http/wsgi.py": "gunicorn, the response",
    "/api/serving/gunicorn_request.py": "gunicorn, the request",
    "/gunicorn/http/": "gunicorn, the request",
    "/gunicorn/": "gunicorn, the rest",
    "/gevent/": "gevent, without the kernel",
    "/api/": "everything else",
}


def environ(path: str) -> "WSGIEnvironment":
    """Return the WSGI environment that gunicorn creates for a request of wrk."""
    parts = urlsplit(path)
    return {
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": "gunicorn",
        "wsgi.input": io.BytesIO(),
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": parts.query,
        "RAW_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "PATH_INFO": parts.path,
        "SCRIPT_NAME": "",
    }


@contextmanager
def application() -> Iterator["WSGIApplication"]:
    """Create the service with every route in its cache and its log in a file."""
    with RedisServer() as redis, tempfile.TemporaryFile("w") as log:
        configure_logs("info", "json", log)
        create_folder()
        take_slot(0)
        app = create_app(Settings(redis_url=redis.url, amadeus_environment="sandbox"))
        app.warm_up()
        for path in PATHS:
            call(app, path)
        yield app
        app.stop()
        remove_folder()


def call(app: "WSGIApplication", path: str) -> dict[str, str]:
    """Send one request and return its response's headers.

    Raises RuntimeError unless the status is 200.
    """
    seen: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> object:
        seen.append((status, headers))
        return None

    b"".join(app(environ(path), start_response))  # type: ignore[arg-type]
    status, headers = seen[0]
    if not status.startswith("200"):
        raise RuntimeError(f"{path} was answered {status}")
    return {name.lower(): value for name, value in headers}


def microseconds(ask: Callable[[], None], seconds: float) -> float:
    """Return the CPU time of a hit: the least of many connections that request all paths."""
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while not spent or time.perf_counter() < until:
        # Only the CPU time of this thread, so the thread that writes the log is left out.
        before = time.thread_time()
        ask()
        spent.append((time.thread_time() - before) / len(PATHS))
    return min(spent) * 1e6


def samples(ask: Callable[[], None], seconds: float) -> Counter[str]:
    """Return the number of samples in each step, at a thousand samples a second."""
    found: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        found[step_of(frame)] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        ask()
    signal.setitimer(signal.ITIMER_PROF, 0)
    return found


def step_of(frame: FrameType | None) -> str:
    """Return the innermost step of a stack. It includes its calls to the standard library."""
    while frame is not None:
        path = frame.f_code.co_filename
        for part, step in STEPS.items():
            if part in path:
                return step
        frame = frame.f_back
    return MEASURING


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    wanted = parser.parse_args()
    conditions = circumstances()
    cfg = settings()
    with application() as app:
        bare = microseconds(connection(cfg, bare_falcon.application, PATHS), wanted.seconds)
        hit = connection(cfg, app, PATHS)
        whole = microseconds(hit, wanted.seconds)
        found = samples(hit, wanted.seconds)
    del found[MEASURING]
    rows = [[step, f"{whole * count / found.total():.1f}"] for step, count in found.most_common()]
    rows.append(["a hit in all", f"{whole:.1f}"])
    rows.append(["bare Falcon in all", f"{bare:.1f}"])
    publish("budget", f"{conditions}\n\n{table(['step', 'µs'], rows)}", write=wanted.write)


if __name__ == "__main__":
    main()
