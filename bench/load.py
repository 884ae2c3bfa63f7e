"""Load from wrk, for a bounded time, on an address of this machine."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw. Latencies are in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int

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
    pause_ms = 0 if rate is None else round(1000 * clients / rate)
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--timeout", "5s"]
    command += ["--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT), url]
    command += ["--", str(paths), str(pause_ms)]
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = Load(**json.loads(line.removeprefix("RESULT ")))
    if result.failed or not result.requests:
        raise RuntimeError(f"{result.failed} of {result.requests} requests to {url} failed")
    return result
