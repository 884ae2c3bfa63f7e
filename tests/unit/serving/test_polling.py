"""Polling a socket with and without a timeout."""

import os
import select
from collections.abc import Iterator

import gevent
import pytest

from api.serving.polling import Poll


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
