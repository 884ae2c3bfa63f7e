"""How long a piece of work may still take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import gevent

# How often a worker looks at its sockets before it believes that an answer is late: more often
# than an answer takes round trips.
LOOKS: Final = 10


class Deadline:
    """A moment on the monotonic clock, so that no step of the wall clock moves it."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        """The moment that lies `seconds` ahead."""
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._at - time.monotonic())


# The SDK stands between the gateway and the transport and passes no arguments through,
# so the deadline of the call under way travels beside it.
current_deadline: ContextVar[Deadline] = ContextVar("current_deadline")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError where the block has waited for others for `seconds`.

    A busy worker is late itself: it looks at its sockets long after an answer arrived. So the time
    passes in steps, and between two steps the worker looks at all of its sockets.
    """
    limit = gevent.Timeout()  # is only raised; without seconds it measures nothing
    waiting = gevent.getcurrent()
    step, looks = seconds / LOOKS, 0
    # By its priority it comes after all that can be read at that moment.
    timer = gevent.get_hub().loop.timer(step, step, priority=-1)

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks < LOOKS:
            timer.again(look, update=True)  # a whole step from now on, however late it is
        else:
            waiting.throw(limit)

    timer.start(look, update=True)
    try:
        yield
    except gevent.Timeout as exc:
        if exc is not limit:
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    finally:
        timer.close()
