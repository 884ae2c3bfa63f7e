"""Starts servers, and reads their memory, CPU time and connections from /proc."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.support.clients import plain_http
from tests.support.processes import connections_of, eventually

ROOT = Path(__file__).resolve().parent.parent
MAX_WAIT_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A command that serves HTTP, as a context manager."""

    def __init__(
        self, command: list[str], port: int, path: str, environment: Mapping[str, str]
    ) -> None:
        """`path`: a path that answers 200 when the server is ready."""
        self._command = command
        self._url = f"http://127.0.0.1:{port}{path}"
        self._environment = {"PATH": os.environ["PATH"], **environment}

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self._command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log
        )
        try:
            eventually(self._is_ready)
        except AssertionError as exc:
            self.stop()
            self._log.seek(0)
            text = self._log.read().decode(errors="replace")
            raise RuntimeError(f"{self._command[0]} did not start:\n{text}") from exc
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.stop()
        self._log.close()

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if that does not end it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(MAX_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"ended with exit code {self.process.returncode}")
        try:
            return plain_http.get(self._url).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False


def children(pid: int) -> list[int]:
    """Return the ids of all descendants of a process."""
    direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, direct) for each in (child, *children(child))]


def memory_mb(pid: int) -> float:
    """Return the memory of a process and its descendants in MB. Shared pages count once."""
    return sum(_kilobytes(each, "smaps_rollup", "Pss") for each in (pid, *children(pid))) / 1000


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process's largest descendant in MB, with shared pages."""
    return max(_kilobytes(each, "status", "VmRSS") for each in children(pid)) / 1000


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its living descendants."""
    return sum(_cpu_seconds(each) for each in (pid, *children(pid)))


def spread(pid: int, port: int) -> list[int]:
    """Return the number of clients of a port for each descendant, in descending order."""
    counts = (connections_of(each, port) for each in children(pid))
    return sorted((count for count in counts if count), reverse=True)


def _kilobytes(pid: int, file: str, name: str) -> float:
    text = Path(f"/proc/{pid}/{file}").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return 1.024 * int(found[1]) if found else 0


def _cpu_seconds(pid: int) -> float:
    # The name may contain spaces, so split after it: utime and stime are then items 11 and 12.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
