"""Measures a calendar: a month that is known, and one that is not."""

import datetime as dt
import tempfile
from itertools import permutations
from pathlib import Path
from statistics import median

from bench.contenders import WORKERS
from bench.load import load
from bench.processes import cpu_seconds
from bench.report import circumstances, options, publish, table
from bench.stage import CITIES
from tests.support.clients.crowd import ask_at_once
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

CLIENTS = 16
RATE = 40
LATENCY_MS = 1000
MONTHS = 8


def paths() -> list[str]:
    """Return a path for each of the next months that has 31 days, on several routes."""
    today = dt.datetime.now(dt.UTC).date()
    months = ((today.year + number // 12, number % 12 + 1) for number in range(today.month, 24))
    full = [f"{year}-{month:02}" for year, month in months if month in (1, 3, 5, 7, 8, 10, 12)]
    return [
        f"/flights/calendar?origin={origin}&destination={destination}&month={full[0]}"
        for origin, destination in permutations(CITIES, 2)
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="how long the load lasts")
    parser.add_argument("--months", type=int, default=MONTHS, help="that are fetched")
    wanted = parser.parse_args()
    conditions = circumstances()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        RedisServer() as redis,
        SandboxServer() as sandbox,
        Service.on(
            sandbox, redis_url=redis.url, web_concurrency=WORKERS, amadeus_rate_limit=RATE
        ) as service,
    ):
        service.price()  # the sandbox's first answer is slow
        sandbox.settings(latency=LATENCY_MS)
        months = paths()[: wanted.months]
        cold = [ask_at_once([service.url + path])[0] for path in months]
        if any(reply.body["data"]["missing"] for reply in cold):
            raise RuntimeError("a cold month is not complete")
        file = Path(folder) / "paths"
        file.write_text("\n".join(months) + "\n")
        load(service.url, file, 1, CLIENTS)  # so that both workers have seen every day
        spent = -cpu_seconds(service.process.pid)
        warm = load(service.url, file, wanted.seconds, CLIENTS)
        spent += cpu_seconds(service.process.pid)
    seconds = [reply.seconds for reply in cold]
    manner = (
        f"Each month has 31 days. Cold: {len(cold)} months, one after the other, while Amadeus"
        f" takes {LATENCY_MS / 1000:g} s and allows {RATE} calls a second. Warm: the same months,"
        f" {CLIENTS} clients that never pause, {WORKERS} workers, {wanted.seconds:g} s."
    )
    rows = [
        ["a cold month, s", f"{median(seconds):.1f}", f"{max(seconds):.1f}"],
        ["a warm month, ms", f"{warm.p50_ms:.1f}", f"{warm.p99_ms:.1f}"],
    ]
    rate = (
        f"Warm months: {warm.rate:,.0f} answers a second,"
        f" {1e6 * spent / warm.requests:,.0f} µs of processor time each."
    )
    head = ["", "p50", "p99, or the worst"]
    publish(
        "calendar", "\n\n".join([conditions, manner, table(head, rows), rate]), write=wanted.write
    )


if __name__ == "__main__":
    main()
