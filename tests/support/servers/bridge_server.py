"""Runs a bridge server for a test, with a stand-in for its provider."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.support.providers import duffel

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 20.0  # seconds


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        pass


class DuffelServer:
    """The stand-in for Duffel on a free local port while the `with` lasts."""

    def __init__(self, *offers: dict[str, Any]) -> None:
        self.duffel = duffel.Duffel(*offers)
        self._server = make_server("127.0.0.1", 0, self.duffel.app, handler_class=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def run_bridge(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m bridge` until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *options],
        cwd=_ROOT, env=_environment(environment), capture_output=True, text=True,
        timeout=_PATIENCE, check=False,
    )  # fmt: skip


class BridgeServer:
    """`python -m bridge` on a free local port while the `with` lasts."""

    url: str

    def __init__(self, provider: DuffelServer, *options: str) -> None:
        self._command = [sys.executable, "-m", "bridge", "--provider", "duffel", "--port", "0"]
        self._command += options
        self._environment = _environment(
            {"DUFFEL_ACCESS_TOKEN": duffel.TOKEN, "DUFFEL_BASE_URL": provider.url}
        )

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, cwd=_ROOT, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("bridge listening on "):
            self.stop()
            raise RuntimeError(f"the bridge did not start: {line!r}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
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


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUFFEL_")}
    return kept | more
