"""Measures the time that the service adds to Amadeus's own, and the connections it uses."""

import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from statistics import median, quantiles

import httpx2

from api.services.amadeus.gateway import MAX_OFFERS
from bench.report import circumstances, options, publish, table
from bench.stage import CITIES
from tests.support.servers.certificate import Authority
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET, Service, some_day

LATENCY_MS = 30


def queries() -> Iterator[dict[str, str]]:
    """Yield queries, each combination of route and day once."""
    for ahead in range(10, 300):
        for origin, destination in permutations(CITIES, 2):
            yield {"origin": origin, "destination": destination, "date": some_day(ahead)}


def milliseconds(get: Callable[[], httpx2.Response]) -> float:
    """Return the time of a request. Raises httpx2.HTTPStatusError unless the status is 2xx."""
    began = time.perf_counter()
    get().raise_for_status()
    return (time.perf_counter() - began) * 1000


class Amadeus:
    """A client that sends the sandbox the same requests as the service."""

    def __init__(self, sandbox: SandboxServer) -> None:
        trust = ssl.create_default_context()
        self._http = httpx2.Client(base_url=sandbox.url, verify=trust, trust_env=False)
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = self._http.post(
            "/v1/security/oauth2/token", data={"grant_type": "client_credentials", **form}
        )
        self._http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def search(self, query: dict[str, str]) -> httpx2.Response:
        """Search on a persistent connection."""
        parameters: dict[str, str | int] = {
            "originLocationCode": query["origin"],
            "destinationLocationCode": query["destination"],
            "departureDate": query["date"],
            "adults": 1,
            "max": MAX_OFFERS,
        }
        return self._http.get("/v2/shopping/flight-offers", params=parameters)


def measure(service: Service, amadeus: Amadeus, seconds: float) -> tuple[list[float], list[float]]:
    """Alternate searches at Amadeus with misses of the service; return their milliseconds."""
    direct: list[float] = []
    through: list[float] = []
    until = time.monotonic() + seconds
    each = queries()
    while time.monotonic() < until or len(direct) < 2:  # noqa: PLR2004 - quantiles need two
        first, other = next(each), next(each)
        direct.append(milliseconds(lambda query=first: amadeus.search(query)))  # type: ignore[misc]
        through.append(milliseconds(lambda query=other: service.price(**query)))  # type: ignore[misc]
    return direct, through


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    wanted = parser.parse_args()
    conditions = circumstances()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        authority = Authority(Path(folder))
        os.environ["SSL_CERT_FILE"] = str(authority.path)  # for the sandbox's admin URLs
        with (
            RedisServer() as redis,
            SandboxServer("--certfile", str(authority.certificate())) as sandbox,
            Service.on(
                sandbox, redis_url=redis.url, web_concurrency=1, ssl_cert_file=authority.path
            ) as service,
        ):
            amadeus = Amadeus(sandbox)
            measure(service, amadeus, 1)  # opens the connections
            sandbox.settings(latency=LATENCY_MS)
            direct, through = measure(service, amadeus, wanted.seconds)
            counters = sandbox.counters()
    added = median(through) - median(direct)
    opened, calls = counters["connections"]["opened"], counters["search"]["calls"]
    head = ["ms", "p50", "p90"]
    rows = [
        ["Amadeus asked directly", f"{median(direct):.1f}", f"{quantiles(direct, n=10)[-1]:.1f}"],
        ["a miss of the service", f"{median(through):.1f}", f"{quantiles(through, n=10)[-1]:.1f}"],
        ["added", f"{added:.1f}", ""],
    ]
    text = [
        conditions,
        table(head, rows),
        (
            f"All {calls} searches, half of them the service's, and both tokens went over"
            f" {opened} TLS connections, one for each asker."
        ),
    ]
    publish("misses", "\n\n".join(text), write=wanted.write)


if __name__ == "__main__":
    main()
