"""Runs a sandbox server for a test, and calls its admin URLs."""

import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 20.0  # seconds


class SandboxServer:
    """`python -m sandbox` on a free local port while the `with` lasts.

    `options` are passed on the command line. `url` is the address of the server.
    """

    url: str
    process: "subprocess.Popen[str]"

    def __init__(self, *options: str, admin: bool = True) -> None:
        self._command = [sys.executable, "-m", "sandbox", "--port", "0"]
        self._command += ["--admin"] if admin else []
        self._command += options

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self._command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        with ExitStack() as unless_started:
            unless_started.push(self)
            line = self.process.stdout.readline()
            if not line.startswith("sandbox listening on "):
                raise RuntimeError(f"the sandbox did not start: {line!r}")
            unless_started.pop_all()
        self.url = line.split()[-1]
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """Stop the process if it is running. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.url.split("//")[1].rsplit(":", 1)[0]

    @property
    def port(self) -> int:
        """The port."""
        return int(self.url.rsplit(":", 1)[1])

    def fault(
        self,
        leg: str,
        name: str,
        arg: float | str | None = None,
        count: int | None = None,
        **route: str,
    ) -> None:
        """Play this fault on the next `count` requests of the leg, or until changed.

        `route` may be `origin` and `destination`.
        """
        wanted = {"leg": leg, "fault": name, "arg": arg, "count": count, **route}
        self.admin("PUT", "faults", wanted)

    def clear(self) -> None:
        """Remove all faults, and reset the counters."""
        self.admin("DELETE", "faults")
        self.admin("DELETE", "counters")

    def calls(self, leg: str) -> int:
        """The number of calls of a leg since the counters were reset."""
        count: int = self.counters()[leg]["calls"]
        return count

    def counters(self) -> dict[str, Any]:
        """The counters since the last `clear`."""
        counters: dict[str, Any] = self.admin("GET", "counters")
        return counters

    def settings(self, **wanted: Any) -> dict[str, Any]:
        """Change some settings: token_life, rate_limit, quota, latency."""
        settings: dict[str, Any] = self.admin("PUT", "settings", wanted)
        return settings

    def revoke_tokens(self, code: int | None = None) -> None:
        """Refuse all tokens issued so far, with this code."""
        self.admin("POST", "tokens/revoke", {} if code is None else {"code": code})

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the admin URLs. Raises urllib.error.HTTPError if it is refused."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/admin/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # Ignore proxies in the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_PATIENCE) as answer:
            content = answer.read()
        return json.loads(content) if content else None
