"""Measures how many searches per second the sandbox answers on the loopback interface.

    python bench/sandbox.py [SECONDS]

Prints the table of sandbox/README.md. The load comes from wrk if it is installed, otherwise from
threads of this script. Each row takes SECONDS (5).
"""

import datetime as dt
import http.client
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.clients.sandbox_client import SEARCH, TOKEN
from tests.support.servers.sandbox_server import SandboxServer

CONNECTIONS = 16
HUBS = (
    *("JFK", "LAX", "LHR", "CDG", "FRA", "MAD", "SIN", "SYD", "DXB", "IST"),
    *("NRT", "GRU", "SFO", "BOS", "MIA", "AMS", "FCO", "VIE", "HKG", "BKK"),
)
PATHS = 5_000
_CREDENTIALS = "grant_type=client_credentials&client_id=bench&client_secret=bench"


class Row(NamedTuple):
    """One measurement."""

    name: str
    per_second: float
    cpu_ms: float
    """CPU time of the server per answer."""


def main(seconds: float) -> None:
    """Measure every row and print the table."""
    print("| search | answers a second | server CPU ms each |\n|---|---:|---:|")
    with SandboxServer() as server:
        token, idle = _token(server), _resident_mb(server.process.pid)
        for name, paths in _loads().items():
            _run(server, token, paths, 1.0)
            row = _measure(server, token, name, paths, seconds)
            print(f"| {row.name} | {row.per_second:,.0f} | {row.cpu_ms:.2f} |", flush=True)
        grown = _resident_mb(server.process.pid) - idle
    print(f"\nIts memory grew by {grown:.0f} MB over the {idle:.0f} MB that it began with.")


def _loads() -> dict[str, list[str]]:
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    seeded = random.Random(1)
    pairs = list(itertools.permutations(HUBS, 2))
    mixed = [
        _path(*seeded.choice(pairs), day + dt.timedelta(days=seeded.randrange(300)), 10)
        for _ in range(PATHS)
    ]
    one = ("JFK", "LAX", day)
    return {
        "`max=10`, 380 routes on 300 days": mixed,
        "`max=10`, one route and day": [_path(*one, 10)],
        "`max=1`, one route and day": [_path(*one, 1)],
        "`max=250`, one route and day": [_path(*one, 250)],
    }


def _path(origin: str, destination: str, date: dt.date, max_offers: int) -> str:
    route = f"originLocationCode={origin}&destinationLocationCode={destination}"
    return f"{SEARCH}?{route}&departureDate={date}&adults=1&max={max_offers}"


def _token(server: SandboxServer) -> str:
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.request("POST", TOKEN, _CREDENTIALS)
    text = connection.getresponse().read().decode()
    connection.close()
    token: str = re.findall(r'"access_token":"([^"]+)"', text)[0]
    return token


def _measure(server: SandboxServer, token: str, name: str, paths: list[str], seconds: float) -> Row:
    server.clear()
    before = _cpu_seconds(server.process.pid)
    per_second = _run(server, token, paths, seconds)
    used = _cpu_seconds(server.process.pid) - before
    counters = server.counters()["search"]
    if counters["refused"]:
        raise SystemExit(f"{counters['refused']} searches were rejected")
    return Row(name, per_second, 1000 * used / counters["calls"])


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _run(server: SandboxServer, token: str, paths: list[str], seconds: float) -> float:
    load = _run_wrk if shutil.which("wrk") else _run_own
    return load(server, token, paths, seconds)


def _run_wrk(server: SandboxServer, token: str, paths: list[str], seconds: float) -> float:
    listed = ",".join(f'"{path}"' for path in paths)
    script = f"""
local paths = {{{listed}}}
local headers = {{Authorization = "Bearer {token}"}}
local n = 0
request = function()
  n = n % #paths + 1
  return wrk.format("GET", paths[n], headers)
end
"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, "-s", file.name, server.url], capture_output=True, text=True, check=True
        )
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)[0])


def _run_own(server: SandboxServer, token: str, paths: list[str], seconds: float) -> float:
    endless, done, stop = itertools.cycle(paths), itertools.count(), time.monotonic() + seconds

    def caller() -> None:
        connection = http.client.HTTPConnection(server.host, server.port)
        while time.monotonic() < stop:
            connection.request("GET", next(endless), headers={"Authorization": f"Bearer {token}"})
            connection.getresponse().read()
            next(done)
        connection.close()

    callers = [threading.Thread(target=caller) for _ in range(CONNECTIONS)]
    started = time.monotonic()
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    return next(done) / (time.monotonic() - started)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
