"""Time limits, and the terms on which a search may call the upstream."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import gevent

# Number of steps of a time limit. A call on a new connection waits about ten times: for the address
# of its host, the connection, TLS, the password and its reply.
STEPS: Final = 25


class Deadline:
    """A moment on the monotonic clock, which changes of the wall clock do not move."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, at least zero."""
        return max(0.0, self._at - time.monotonic())


@dataclass(frozen=True, slots=True)
class Patience:
    """What a patient search tells its caller. Such a search waits beside the queue, not in it.

    turn_taken: called when the search has taken a turn. called: called with each call it makes.
    """

    turn_taken: Callable[[], None]
    called: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a search: when it must be over, and whether it is patient."""

    deadline: Deadline
    patience: Patience | None = None


# The terms of the present search. The SDK stands between the gateway and its adapter and passes
# no arguments on, so they are a context variable.
current_terms: ContextVar[Terms] = ContextVar("current_terms")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has waited for `seconds`.

    A busy worker may read a reply long after it arrived. So the time is counted in steps, and the
    worker reads all of its sockets between two steps.
    """
    if seconds <= 0:  # a timer that repeats after zero seconds does not repeat
        raise TimeoutError("no time left")
    timeout = gevent.Timeout()  # never started, only raised
    waiting = gevent.getcurrent()
    step, steps = seconds / STEPS, 0
    # The low priority runs the timer after all sockets that are ready to be read.
    timer = gevent.get_hub().loop.timer(step, step, priority=-1)

    def count_step() -> None:
        nonlocal steps
        steps += 1
        if steps < STEPS:
            timer.again(count_step, update=True)  # a whole step from now, even if it ran late
        else:
            waiting.throw(timeout)

    timer.start(count_step, update=True)
    try:
        yield
    except gevent.Timeout as exc:
        if exc is not timeout:
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    finally:
        timer.close()
