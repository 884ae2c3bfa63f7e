"""The environment of a measurement: Redis, the sandbox, and routes with cached prices."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path

from bench.contenders import Running, Stage, service
from tests.support.clients import plain_http
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import some_day

CITIES = ("AMS", "CDG", "FCO", "FRA", "JFK", "LAX", "LHR", "MAD", "SFO", "SIN")
PATHS = tuple(
    f"/flights/price?origin={origin}&destination={destination}&date={some_day()}"
    for origin, destination in permutations(CITIES, 2)
)


@contextmanager
def stage() -> Iterator[tuple[Stage, Path]]:
    """Return a stage with all bodies in Redis, and a file with the paths for the load.

    Redis has the service's own entries, and the same bodies under simpler keys for the peers.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        paths = Path(folder) / "paths"
        paths.write_text("\n".join(PATHS) + "\n")
        redis = stack.enter_context(RedisServer())
        it = Stage(redis, stack.enter_context(SandboxServer()), PATHS[0])
        with service(it) as running, plain_http.client() as http:
            for path in PATHS:
                answer = http.get(running.url + path).raise_for_status()
                data = answer.json()["data"]
                key = "|".join((data["origin"], data["destination"], data["departure_date"]))
                redis.client.set(key, answer.content)
        yield it, paths


def bodies(running: Running) -> list[bytes]:
    """Return a contender's response body for each path."""
    with plain_http.client() as http:
        return [http.get(running.url + path).raise_for_status().content for path in PATHS]
