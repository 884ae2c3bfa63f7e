"""Measures a miss beside a script that does nothing but call Amadeus's SDK."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import permutations
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode, urlsplit

import amadeus

from api.services.amadeus.gateway import MAX_OFFERS
from bench.processes import cpu_seconds
from bench.report import circumstances, options, publish, table
from bench.rounds import paired_ratio
from bench.stage import CITIES
from tests.support.servers.certificate import Authority
from tests.support.servers.quick_amadeus import QuickAmadeus
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET, Service, some_day

# So many of the sandbox's offers are 40 kB.
OFFERS = 27
# A limit that one client never reaches, so that no call waits.
RATE_LIMIT = 1000
WARM_UP_ROUNDS = 50
MIN_ROUNDS = 20

Query = dict[str, str]


def queries() -> Iterator[Query]:
    """Yield queries, each combination of route and day once."""
    for ahead in range(10, 300):
        for origin, destination in permutations(CITIES, 2):
            yield {"origin": origin, "destination": destination, "date": some_day(ahead)}


@contextmanager
def upstream(certificate: Path | None = None) -> Iterator[str]:
    """Run an Amadeus in another process that answers at once; return its URL."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_answer_at_once, args=(theirs, certificate))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def _answer_at_once(pipe: Connection, certificate: Path | None) -> None:
    with QuickAmadeus(0, certificate, OFFERS) as amadeus_:
        pipe.send(amadeus_.url)
        pipe.recv()


def direct(url: str) -> Callable[[Query], object]:
    """Return a search with the SDK as it is; it fetches its token once."""
    parts = urlsplit(url)
    client = amadeus.Client(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        host=parts.hostname,
        port=parts.port,
        ssl=parts.scheme == "https",
        log_level="silent",
    )

    def search(query: Query) -> object:
        return client.shopping.flight_offers_search.get(
            originLocationCode=query["origin"],
            destinationLocationCode=query["destination"],
            departureDate=query["date"],
            adults=1,
            max=MAX_OFFERS,
        ).data

    return search


def through(service: Service) -> Callable[[Query], object]:
    """Return a search through the service, on a connection that stays open."""
    connection = HTTPConnection("127.0.0.1", service.port)

    def search(query: Query) -> object:
        connection.request("GET", f"/flights/price?{urlencode(query)}")
        response = connection.getresponse()
        body = response.read()
        if response.headers["X-Cache"] != "miss":
            raise RuntimeError(f"not a miss: {response.status} {body.decode()}")
        return body

    return search


@dataclass
class Pair:
    """One relation: the milliseconds of both searches, and the service's processor time."""

    name: str
    service: Service
    directly: Callable[[Query], object]
    through: Callable[[Query], object]
    directly_ms: list[float] = field(default_factory=list)
    through_ms: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def measure(self, each: Iterator[Query], seconds: float) -> None:
        """Search in rounds, directly and through the service, after a warm-up."""
        for number in range(WARM_UP_ROUNDS):
            self._round(each, number)
        self.directly_ms.clear()
        self.through_ms.clear()
        self.cpu = -cpu_seconds(self.service.process.pid)
        until = time.monotonic() + seconds
        while time.monotonic() < until or len(self.through_ms) < MIN_ROUNDS:
            self._round(each, len(self.through_ms))
        self.cpu += cpu_seconds(self.service.process.pid)

    def _round(self, each: Iterator[Query], number: int) -> None:
        both = [(self.directly, self.directly_ms), (self.through, self.through_ms)]
        for search, times in reversed(both) if number % 2 else both:
            query = next(each)
            began = time.perf_counter()
            search(query)
            times.append((time.perf_counter() - began) * 1000)

    def row(self) -> list[str]:
        return [
            self.name,
            f"{len(self.through_ms):,}",
            f"{median(self.directly_ms):.2f}",
            f"{median(self.through_ms):.2f}",
            f"{paired_ratio(self.through_ms, self.directly_ms):.2f}",
            f"{quantiles(self.directly_ms, n=10)[-1]:.2f}",
            f"{quantiles(self.through_ms, n=10)[-1]:.2f}",
            f"{1000 * self.cpu / len(self.through_ms):.2f}",
        ]


@contextmanager
def pairs() -> Iterator[list[Pair]]:
    """Start everything: for each relation a service of its own, with one worker."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        authority = Authority(Path(folder))
        os.environ["SSL_CERT_FILE"] = str(authority.path)  # for the SDK
        plain = stack.enter_context(upstream())
        tls = stack.enter_context(upstream(authority.certificate()))
        relations: dict[str, tuple[str, dict[str, object]]] = {
            "plain HTTP": (plain, {}),
            "plain HTTP, with `AMADEUS_RATE_LIMIT`": (plain, {"amadeus_rate_limit": RATE_LIMIT}),
            "TLS": (tls, {"ssl_cert_file": authority.path}),
        }
        made = []
        for name, (url, settings) in relations.items():
            service = Service(
                amadeus_base_url=url,
                amadeus_client_id=CLIENT_ID,
                amadeus_client_secret=CLIENT_SECRET,
                redis_url=stack.enter_context(RedisServer()).url,
                web_concurrency=1,
                log_level="info",
                **settings,
            )
            stack.enter_context(service)
            made.append(Pair(name, service, direct(url), through(service)))
        yield made


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each relation")
    wanted = parser.parse_args()
    conditions = circumstances()
    with pairs() as all_pairs:
        for pair in all_pairs:
            pair.measure(queries(), wanted.seconds)
    head = ["", "rounds", "SDK p50 ms", "service p50 ms", "ratio", "SDK p90 ms", "service p90 ms"]
    text = [
        conditions,
        "The ratio is the median of the rounds' own.",
        table([*head, "worker CPU ms a miss"], [pair.row() for pair in all_pairs]),
    ]
    publish("misses", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
