"""Waits for conditions in other processes without fixed sleeps."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import TypeVar

import httpx2

MAX_WAIT_SECONDS = 20.0
# A program is slow to start when nothing of it is in memory yet, or when many start at once.
MAX_START_SECONDS = 60.0
T = TypeVar("T")
# Below the kernel's range for outgoing connections, since one of those could take a port before
# its server does. Each test process has its own range, and two test runs start at different
# places.
_STRETCH = 1_000
_first_port = 20_000 + _STRETCH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_begin = os.getpid() % _STRETCH
_ports = cycle(_first_port + (_begin + number) % _STRETCH for number in range(_STRETCH))


def free_port() -> int:
    """An unused local TCP port, which is not returned again soon."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def connections_of(pid: int, port: int) -> int:
    """The number of connections to that port in a process. Linux only."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    of_port = {
        f"socket:[{row[9]}]"
        for row in rows
        if row[1].endswith(f":{port:04X}") and row[3] == established
    }
    of_process = 0
    for opened in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the directory was listed
            of_process += str(opened.readlink()) in of_port
    return of_process


def has_ended(pid: int) -> bool:
    """Whether a process has ended. Linux only.

    In a container whose first process reaps no orphans, an ended process stays listed, but
    without memory.
    """
    try:
        return not Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(what: Callable[[], T | None], within: float = MAX_WAIT_SECONDS) -> T:
    """Wait for the first true value of `what`; fail after `within` seconds.

    An AssertionError or a network error of `what` counts as false.
    """
    give_up = time.monotonic() + within
    pause = 0.01
    while True:
        problem: Exception | None = None
        try:
            value = what()
            if value:
                return value
        except (OSError, AssertionError, httpx2.TransportError) as exc:
            problem = exc
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within} s") from problem
        time.sleep(pause)
        pause = min(1.5 * pause, 0.05)


def first_good(ask: Callable[[], T], is_good: Callable[[T], object]) -> T:
    """The first answer of `ask` that is good, as `eventually`."""

    def good_ones() -> list[T]:
        return [answer for answer in [ask()] if is_good(answer)]

    return eventually(good_ones)[0]
