"""Runs the load balancer of deploy/balancer in front of a test's replicas."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.clients import plain_http
from tests.support.processes import MAX_START_SECONDS, eventually, free_port
from tests.support.servers.service import ROOT, Service


class Balancer:
    """Caddy with the Caddyfile that compose uses, on a free port, while the `with` lasts."""

    def __init__(self, replicas: Iterable[Service]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ports = [replica.port for replica in replicas]
        self._folder = tempfile.TemporaryDirectory(prefix="balancer-")

    def __enter__(self) -> Self:
        if shutil.which("caddy") is None:
            raise RuntimeError("the tests need caddy: apt-get install caddy")
        folder = Path(self._folder.name)
        shutil.copy(ROOT / "deploy" / "balancer" / "Caddyfile", folder)
        # As with compose, replicas are looked up by name each time. In compose one name has all
        # addresses; here they share one address and differ in their ports.
        names = "".join(f"a 127.0.0.1 {port} {{\nrefresh 1s\n}}\n" for port in self._ports)
        (folder / "replicas.caddy").write_text(f"dynamic multi {{\n{names}}}\n")
        log = folder / "log"
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                ["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"],
                env={"BALANCER_PORT": str(self.port), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
                stderr=stderr,
            )
        try:
            eventually(self._is_ready, MAX_START_SECONDS)
        except AssertionError as exc:
            said = log.read_text()
            self._end()
            raise AssertionError(f"the balancer did not start:\n{said}") from exc
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._end()

    def _is_ready(self) -> bool:
        return plain_http.get(f"{self.url}/readyz").is_success

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
