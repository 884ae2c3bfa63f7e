"""Runs a command of the project that serves HTTP, for a test."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0  # seconds


class CommandServer:
    """`python -m NAME` on a free local port while the `with` lasts.

    `options` are passed on the command line. `url` is the address of the server. `module` is what
    Python runs, if that is not called `name`.
    """

    url: str
    process: "subprocess.Popen[str]"

    def __init__(
        self,
        name: str,
        *options: str,
        environment: Mapping[str, str] | None = None,
        module: str | None = None,
    ) -> None:
        self._name = name
        self._command = [sys.executable, "-m", module or name, "--port", "0", *options]
        self._environment = dict(os.environ if environment is None else environment)

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        with ExitStack() as unless_started:
            unless_started.push(self)
            line = self.process.stdout.readline()
            if not line.startswith(f"{self._name} listening on "):
                raise RuntimeError(f"the {self._name} did not start: {line!r}")
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
            self.process.wait(PATIENCE)
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
