"""Runs wrk for a limited time."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """The result of wrk. `failed` has the number of failed requests by kind."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: dict[str, int]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def load(
    url: str,
    paths: Path,
    seconds: float,
    clients: int,
    *,
    rate: float | None = None,
    key: str = "",
) -> Load:
    """Request the paths in a file in random order.

    `clients`: number of connections. Each sends its next request after the response to the last.
    `rate`: total requests per second; None for no pauses. `key`: an API key to send.
    Raises RuntimeError if a request failed or its status is not 2xx.
    """
    result = _wrk(url, paths, seconds, clients, rate, "keep-alive", key)
    if any(result.failed.values()) or not result.requests:
        raise RuntimeError(f"of {result.requests} requests to {url} failed: {result.failed}")
    return result


def load_of_new_connections(url: str, paths: Path, seconds: float, clients: int) -> Load:
    """Run the load with a new connection for each request. Lost responses are not counted."""
    return _wrk(url, paths, seconds, clients, None, "close")


def lost_answers(url: str, paths: Path, seconds: float, clients: int) -> int:
    """Return the number of requests without a response, each on a new connection."""
    failed = _wrk(url, paths, seconds, clients, None, "close").failed
    return sum(failed.values())


def _wrk(
    url: str,
    paths: Path,
    seconds: float,
    clients: int,
    rate: float | None,
    connection: str,
    key: str = "",
) -> Load:
    pause_ms = 0 if rate is None else round(1000 * clients / rate)
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--timeout", "5s"]
    command += ["--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT), url]
    command += ["--", str(paths), str(pause_ms), connection, *([key] if key else [])]
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return Load(**json.loads(line.removeprefix("RESULT ")))
