"""Simulates upstream calls of the read-through cache at scale, in virtual time.

Requests for routes follow Zipf's law. Each worker runs the real read-through code, and all share
one store. The results are compared with other kinds of caches and with the minimum of any cache.
"""

import argparse
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, product
from pathlib import Path
from random import Random

from api.models import PriceQuery
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.deadline import Deadline
from api.services.prices import cache_key
from api.telemetry.metrics import Metrics
from bench.report import options, publish, table
from bench.sizing import stored_entry
from bench.virtual_time import virtual_time
from tests.support.servers.redis_server import RedisServer

FETCH_TIMEOUT_SECONDS = 15.0
BODY = b"nobody reads it"
CALENDAR_DAYS = 31
MAX_ROUTES = 1_000  # with calendars
CALENDAR_SHARE = 0.01
PICTURE = Path(__file__).with_name("simulation.png")
NAMES = ("read-through", "least possible", "no single flight", "a cache in each worker")
STYLES = ("o-", "s--", "^-", "v-")


@dataclass(frozen=True, slots=True)
class Workload:
    """The parameters of a simulation.

    skew: exponent of Zipf's law. rate: requests per second. seconds: duration. latency: seconds
    that a call to Amadeus takes.
    """

    routes: int
    skew: float
    rate: float
    ttl: float
    workers: int
    replicas: int
    seconds: float
    latency: float

    @property
    def processes(self) -> int:
        """The number of processes, each with its own read-through."""
        return self.workers * self.replicas

    def requests(self) -> Iterator[tuple[float, int, int]]:
        """Yield time, route and process of each request. The sequence is always the same."""
        random = Random(20261121)
        weights = list(accumulate(rank**-self.skew for rank in range(1, self.routes + 1)))
        moment = 0.0
        while (moment := moment + random.expovariate(self.rate)) < self.seconds:
            route = random.choices(range(self.routes), cum_weights=weights)[0]
            yield moment, route, random.randrange(self.processes)


def read_through_calls(workload: Workload) -> tuple[int, int]:
    """Return the numbers of requests and of upstream calls, including early refreshes."""
    calls = requests = 0
    with virtual_time() as clock:
        store = MemoryStore(Metrics(), max_bytes=2**40, clock=clock.now)
        fleet = [ReadThrough(store, FETCH_TIMEOUT_SECONDS) for _ in range(workload.processes)]

        def fetch(_: Deadline) -> FetchedValue:
            nonlocal calls
            calls += clock.now() < workload.seconds  # later ones are refreshes without readers
            clock.sleep(workload.latency)
            return FetchedValue(BODY, workload.ttl)

        def ask(route: int, process: int) -> None:
            request = CacheRequest(str(route), fetch, observe=lambda _event, _entry: None)
            fleet[process].read(request, Deadline(FETCH_TIMEOUT_SECONDS))

        arrivals = workload.requests()

        def schedule_arrivals() -> None:
            nonlocal requests
            for moment, route, process in arrivals:
                clock.sleep(moment - clock.now())
                clock.at(moment, lambda route=route, process=process: ask(route, process))  # type: ignore[misc]
                requests += 1

        clock.at(0, schedule_arrivals)
        clock.run()
    return requests, calls


def calendar_calls(workload: Workload, share: float) -> tuple[int, int, int]:
    """Return the numbers of requests, of upstream calls and of the days of calendars.

    share: fraction of the requests that ask for the calendar of a route, and so for each of its
    days. The others ask for one day of it.
    """
    random, calls, requests, days = Random(20261128), 0, 0, 0
    with virtual_time() as clock:
        store = MemoryStore(Metrics(), max_bytes=2**40, clock=clock.now)
        fleet = [ReadThrough(store, FETCH_TIMEOUT_SECONDS) for _ in range(workload.processes)]

        def fetch(_: Deadline) -> FetchedValue:
            nonlocal calls
            calls += clock.now() < workload.seconds  # later ones are refreshes without readers
            clock.sleep(workload.latency)
            return FetchedValue(BODY, workload.ttl)

        def ask(route: int, day: int, process: int, *, is_single: bool) -> None:
            request = CacheRequest(f"{route}|{day}", fetch, observe=lambda _event, _entry: None)
            fleet[process].read(request, Deadline(FETCH_TIMEOUT_SECONDS), refresh_ahead=is_single)

        def schedule_arrivals() -> None:
            nonlocal requests, days
            for moment, route, process in workload.requests():
                clock.sleep(moment - clock.now())
                is_single = random.random() >= share
                asked: Sequence[int] = range(CALENDAR_DAYS)
                if is_single:
                    asked = [random.choice(asked)]
                for day in asked:
                    work = partial(ask, route, day, process, is_single=is_single)
                    clock.at(moment, work)
                requests += 1
                days += 0 if is_single else len(asked)

        clock.at(0, schedule_arrivals)
        clock.run()
    return requests, calls, days


def calendar_rows(workload: Workload) -> list[str]:
    """Return what calendars add to the calls of single prices, for one number of routes."""
    requests, alone, _ = calendar_calls(workload, 0)
    _, beside, days = calendar_calls(workload, CALENDAR_SHARE)
    per_request = 1000 / requests
    added = beside - alone
    return [
        f"{workload.routes:,}",
        f"{alone * per_request:.1f}",
        f"{beside * per_request:.1f}",
        f"{days * per_request:.1f}",
        f"{added / (days / CALENDAR_DAYS):.1f}",
    ]


def least_calls(workload: Workload) -> int:
    """Return the minimum: one call per route and TTL in which there is a request."""
    until: dict[int, float] = defaultdict(float)
    calls = 0
    for moment, route, _ in workload.requests():
        if moment >= until[route]:
            calls += 1
            until[route] = moment + workload.ttl
    return calls


def uncoalesced_calls(workload: Workload, *, per_worker: bool) -> int:
    """Return the calls of a cache in which every request fetches until an entry is stored."""
    windows: dict[tuple[int, int], tuple[float, float]] = {}
    calls = 0
    for moment, route, process in workload.requests():
        key = route, process if per_worker else 0
        filled, until = windows.get(key, (0.0, 0.0))
        if moment < filled:
            calls += 1
        elif moment >= until:
            calls += 1
            filled = moment + workload.latency
            windows[key] = filled, filled + workload.ttl
    return calls


def per_thousand(workload: Workload) -> list[float]:
    """Return the calls per 1,000 requests, in the order of NAMES."""
    requests, calls = read_through_calls(workload)
    each = (
        calls,
        least_calls(workload),
        uncoalesced_calls(workload, per_worker=False),
        uncoalesced_calls(workload, per_worker=True),
    )
    return [1000 * calls / requests for calls in each]


def bytes_per_entry(entries: int) -> tuple[float, float]:
    """Return the memory per entry in Redis, by MEMORY USAGE and by the growth of its memory."""
    first = dt.datetime.now(dt.UTC).date()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    with RedisServer() as server:
        client = server.client
        _, value = stored_entry(server)
        client.flushall()
        store = RedisStore(connections_to(server.url), Metrics())
        before = client.info("memory")["used_memory"]
        codes = product(letters, repeat=3)
        for number, code in zip(range(entries), codes, strict=False):
            query = PriceQuery.model_construct(
                origin="".join(code), destination="LAX", date=first + dt.timedelta(number % 300)
            )
            key = cache_key("production", query)
            store.put(key, "", value.partition(b"\n")[2], store.time(), 600, 3600)
        grown = client.info("memory")["used_memory"] - before
        keys = [key for key, _ in zip(client.scan_iter(), range(200), strict=False)]
        usage = sum(client.memory_usage(key) or 0 for key in keys) / len(keys)
        count = client.dbsize()
        store.close()
    return usage, grown / count


def draw(sizes: list[int], lines: list[list[float]], workload: Workload) -> None:
    """Draw the calls per 1,000 requests over the number of routes."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow, and only needed with --write

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, line, style in zip(NAMES, zip(*lines, strict=True), STYLES, strict=True):
        axes.plot(sizes, line, style, label=name, markersize=5)
    axes.set(xlabel="routes", ylabel="calls to Amadeus per 1,000 requests")
    axes.set(xscale="log", yscale="log")
    axes.set_title(_words(workload), fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(PICTURE, dpi=120)


def _words(workload: Workload) -> str:
    return (
        f"{workload.rate:g} requests/s for {workload.seconds:g} s, Zipf {workload.skew:g},"
        f" TTL {workload.ttl:g} s, {workload.workers} workers in {workload.replicas} replicas,"
        f" Amadeus takes {workload.latency:g} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = options(__doc__)
    parser.add_argument("--routes", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--skew", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--ttl", type=float, default=600.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of virtual time")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds of a call to Amadeus")
    parser.add_argument("--prices", type=int, default=20_000, help="in Redis, to weigh them")
    return parser


def main() -> None:
    wanted = vars(_parser().parse_args())
    write, sizes, prices = wanted.pop("write"), wanted.pop("routes"), wanted.pop("prices")
    workloads = [Workload(routes=size, **wanted) for size in sizes]
    lines = [per_thousand(workload) for workload in workloads]
    rows = [
        [f"{size:,}", *(f"{value:.1f}" for value in line)]
        for size, line in zip(sizes, lines, strict=True)
    ]
    usage, grown = bytes_per_entry(prices)
    memory = [[f"10^{power}", f"{grown * 10**power / 2**20:,.0f}"] for power in (5, 6, 7)]
    text = [
        f"Calls to Amadeus per 1,000 requests: {_words(workloads[0])}.",
        table(["routes", *NAMES], rows),
        f"An entry takes {usage:.0f} bytes by MEMORY USAGE, {grown:.0f} of all of Redis.",
        table(["routes", "Redis MB"], memory),
    ]
    publish("simulation", "\n\n".join(text), write=write)
    head = ["routes", "single prices alone", "with calendars", "days of calendars"]
    few = [workload for workload in workloads if workload.routes <= MAX_ROUTES]
    text = [
        (
            f"Calls to Amadeus per 1,000 requests: {_words(workloads[0])}. Each route has"
            f" {CALENDAR_DAYS} days, and {CALENDAR_SHARE:.0%} of the requests ask for the calendar"
            " of a route instead of one of its days."
        ),
        table([*head, "calls that a calendar adds"], [calendar_rows(each) for each in few]),
    ]
    publish("calendar-cost", "\n\n".join(text), write=write)
    if write:
        draw(sizes, lines, workloads[0])


if __name__ == "__main__":
    main()
