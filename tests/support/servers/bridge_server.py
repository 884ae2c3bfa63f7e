"""Runs a bridge server for a test, with a stand-in for its provider."""

import os
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.support.processes import MAX_START_SECONDS
from tests.support.providers.stand_in import StandIn
from tests.support.servers.command import ROOT, CommandServer

T = TypeVar("T", bound=StandIn)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        pass


class ProviderServer(Generic[T]):
    """The stand-in for a provider on a free local port while the `with` lasts."""

    def __init__(self, stand_in: T) -> None:
        self.stand_in = stand_in
        self._server = make_server("127.0.0.1", 0, stand_in.app, handler_class=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a bridge at it."""
        return self.stand_in.environment(self.url)

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
        cwd=ROOT, env=_environment(environment), capture_output=True, text=True,
        timeout=MAX_START_SECONDS, check=False,
    )  # fmt: skip


class BridgeServer(CommandServer):
    """`python -m bridge` on a free local port while the `with` lasts."""

    def __init__(self, provider: "ProviderServer[Any]", *options: str) -> None:
        environment = _environment(provider.environment)
        name = provider.stand_in.name
        super().__init__("bridge", "--provider", name, *options, environment=environment)


class QuickBridge(CommandServer):
    """A bridge with so many seconds for a search, on a free local port while the `with` lasts."""

    def __init__(self, seconds: float, provider: str, environment: dict[str, str]) -> None:
        super().__init__(
            "bridge", "--provider", provider, str(seconds),
            environment=_environment(environment), module="tests.support.servers.quick_bridge",
        )  # fmt: skip

    def greenlets(self) -> int:
        """The number of its greenlets that have work to do."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        return int(self.process.stdout.readline())


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BRIDGE_", "DUFFEL_", "IGNAV_"))
    }
    return kept | more
