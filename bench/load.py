"""Load from wrk, for a bounded time, on an address of this machine."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw. Latencies are in milliseconds; failed: how many, by kind."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: dict[str, int]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def load(url: str, paths: Path, seconds: float, clients: int, rate: float | None = None) -> Load:
    """Ask for the paths in a file, in random order.

    `clients`: connections that each send the next request when the last one is answered; with
    a `rate` they pause at random between, so that so many requests a second come together.
    Raises RuntimeError if an answer failed or was no 2xx.
    """
    result = _wrk(url, paths, seconds, clients, rate, "keep-alive")
    if any(result.failed.values()) or not result.requests:
        raise RuntimeError(f"of {result.requests} requests to {url} failed: {result.failed}")
    return result


def load_of_new_connections(url: str, paths: Path, seconds: float, clients: int) -> Load:
    """The same with a connection for each request; answers that are lost are not counted."""
    return _wrk(url, paths, seconds, clients, None, "close")


def lost_answers(url: str, paths: Path, seconds: float, clients: int) -> int:
    """How many requests, each on a connection of its own, got no answer."""
    failed = _wrk(url, paths, seconds, clients, None, "close").failed
    return sum(failed.values())


def _wrk(
    url: str, paths: Path, seconds: float, clients: int, rate: float | None, connection: str
) -> Load:
    pause_ms = 0 if rate is None else round(1000 * clients / rate)
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--timeout", "5s"]
    command += ["--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT), url]
    command += ["--", str(paths), str(pause_ms), connection]
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return Load(**json.loads(line.removeprefix("RESULT ")))
