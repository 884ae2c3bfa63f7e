"""Polling a socket with and without a timeout."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from api.serving.polling import Poll

ROOT = Path(__file__).resolve().parents[3]
# The sandbox and the services that bench/ compares with run none of this service's code.
PROGRAMS = [
    path
    for path in (ROOT / "gunicorn.conf.py", *ROOT.glob("tests/**/*.py"), *ROOT.glob("bench/*.py"))
    if "\nmonkey.patch_all()\n" in path.read_text()
]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_poll_without_timeout_runs_no_other_greenlet(pipe: tuple[int, int]) -> None:
    others = list[str]()
    gevent.spawn(others.append, "ran")
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    assert poll.poll(0) == []
    assert others == []


def test_poll_without_timeout_sees_arrived_data(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    os.write(pipe[1], b"x")
    assert poll.poll(0) == [(pipe[0], select.POLLIN)]


def test_poll_with_timeout_lets_other_greenlets_run(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    gevent.spawn(os.write, pipe[1], b"x")
    assert poll.poll(5000) == [(pipe[0], select.POLLIN)]


def test_unregistered_descriptor_is_not_polled(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    poll.unregister(pipe[0])
    os.write(pipe[1], b"x")
    assert poll.poll(0) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_programs_that_run_the_service_on_gevent_install_the_poll(program: Path) -> None:
    before, *_ = program.read_text().split("\nmonkey.patch_all()")
    assert before.endswith("install_nonblocking_poll()")
