"""Measures the time from the start to the first answers, and the time of imports."""

import os
import re
import subprocess
import sys
import time
from statistics import median

from bench.contenders import WORKERS
from bench.processes import ROOT
from bench.report import circumstances, options, publish, table
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

MAX_PACKAGES = 10
PROBES = {"to the first ping": "/flights/ping", "until ready: store and token are there": "/readyz"}
FIRST_PRICE = "to the first price"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")


def seconds_to_answers(redis: RedisServer, sandbox: SandboxServer) -> dict[str, float]:
    """Return the time from the start to the first successful answer of each kind."""
    took = {}
    began = time.perf_counter()
    service = Service.on(sandbox, redis_url=redis.url, web_concurrency=WORKERS)
    with service.just_launched():
        for what, path in PROBES.items():
            eventually(lambda path=path: service.get(path).is_success)  # type: ignore[misc]
            took[what] = time.perf_counter() - began
        service.price().raise_for_status()
        took[FIRST_PRICE] = time.perf_counter() - began
    return took


def imports(statement: str) -> dict[str, float]:
    """Return the milliseconds of importing each module, including the modules it imports."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-X", "importtime", "-c", statement],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "REDIS_URL": "redis://127.0.0.1"}
        | {"AMADEUS_BASE_URL": "http://127.0.0.1", "AMADEUS_CLIENT_ID": "a"}
        | {"AMADEUS_CLIENT_SECRET": "b"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: int(spent) / 1000 for _, spent, _, name in _IMPORT.findall(done.stderr)}


def packages(spent: dict[str, float]) -> list[list[str]]:
    """Return the slowest third-party or standard packages, slowest first."""
    tops = {name: ms for name, ms in spent.items() if "." not in name and name != "api"}
    slowest = sorted(tops.items(), key=lambda item: -item[1])[:MAX_PACKAGES]
    return [[f"`{name}`", f"{ms:.0f}"] for name, ms in slowest]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    conditions = circumstances()
    with RedisServer() as redis, SandboxServer() as sandbox:
        starts = [seconds_to_answers(redis, sandbox) for _ in range(wanted.rounds)]
    runs = [imports("import api.wsgi") for _ in range(wanted.rounds)]
    fastest = min(runs, key=lambda run: run["api.wsgi"])
    rows = [
        [what, f"{median(took[what] for took in starts):.2f}"] for what in (*PROBES, FIRST_PRICE)
    ]
    text = [
        conditions,
        table([f"seconds, median of {wanted.rounds} starts with {WORKERS} workers", "s"], rows),
        (
            f"`import api.wsgi` takes {fastest['api.wsgi']:.0f} ms in a fresh interpreter"
            f" (the best of {wanted.rounds}). The packages in it that take longest,"
            " each with what it was the first to import:"
        ),
        table(["package", "ms"], packages(fastest)),
    ]
    publish("startup", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
