"""The environment of a measurement: Redis, the sandbox, and routes with cached prices."""

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path

from bench.contenders import Running, Stage, service
from tests.support.clients import plain_http
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import some_day

CITIES = ("AMS", "CDG", "FCO", "FRA", "JFK", "LAX", "LHR", "MAD", "SFO", "SIN")
ROUTES = tuple(permutations(CITIES, 2))
PATHS = tuple(
    f"/flights/price?origin={origin}&destination={destination}&date={some_day()}"
    for origin, destination in ROUTES
)
MONTHS = 8
MAX_WAIT_SECONDS = 60.0


def month_paths(count: int = MONTHS) -> list[str]:
    """Return the paths of so many routes' calendars of a coming month with 31 days."""
    today = dt.datetime.now(dt.UTC).date()
    months = ((today.year + number // 12, number % 12 + 1) for number in range(today.month, 24))
    year, month = next(one for one in months if one[1] in (1, 3, 5, 7, 8, 10, 12))
    return [
        f"/flights/calendar?origin={origin}&destination={destination}&month={year}-{month:02}"
        for origin, destination in ROUTES[:count]
    ]


@contextmanager
def stage() -> Iterator[Stage]:
    """Return a stage on which all bodies are in Redis.

    Redis has the service's own entries, and the bodies of prices under simpler keys for the peers.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        redis = stack.enter_context(RedisServer())
        it = Stage(
            redis,
            stack.enter_context(SandboxServer()),
            PATHS[0],
            prices=_file(folder / "prices", PATHS),
            offers=_file(folder / "offers", (path.replace("price", "offer") for path in PATHS)),
            months=_file(folder / "months", month_paths()),
        )
        with service(it) as running, plain_http.client(timeout=MAX_WAIT_SECONDS) as http:
            for path, (origin, destination) in zip(PATHS, ROUTES, strict=True):
                answer = http.get(running.url + path).raise_for_status()
                redis.client.set(f"{origin}|{destination}|{some_day()}", answer.content)
            for path in month_paths():
                month = http.get(running.url + path).raise_for_status().json()["data"]
                if month["missing"]:
                    raise RuntimeError(f"{path} is not complete")
        yield it


def bodies(running: Running) -> list[bytes]:
    """Return a contender's response body for each of its paths."""
    headers = {"X-API-Key": running.key} if running.key else {}
    with plain_http.client(headers=headers, timeout=MAX_WAIT_SECONDS) as http:
        return [
            http.get(running.url + path).raise_for_status().content
            for path in running.paths.read_text().split()
        ]


def _file(file: Path, paths: Iterable[str]) -> Path:
    file.write_text("".join(f"{path}\n" for path in paths))
    return file
