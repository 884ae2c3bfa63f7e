"""A look at a socket that is not to wait."""

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


def test_look_lets_nobody_else_run(pipe: tuple[int, int]) -> None:
    others = list[str]()
    gevent.spawn(others.append, "ran")
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    assert poll.poll(0) == []
    assert others == []


def test_look_sees_what_has_arrived(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    os.write(pipe[1], b"x")
    assert poll.poll(0) == [(pipe[0], select.POLLIN)]


def test_poll_with_time_to_wait_lets_others_run(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    gevent.spawn(os.write, pipe[1], b"x")
    assert poll.poll(5000) == [(pipe[0], select.POLLIN)]


def test_descriptor_that_is_unregistered_is_not_looked_at(pipe: tuple[int, int]) -> None:
    poll = Poll()
    poll.register(pipe[0], select.POLLIN)
    poll.unregister(pipe[0])
    os.write(pipe[1], b"x")
    assert poll.poll(0) == []
