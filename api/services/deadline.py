"""How long a piece of work may still take."""

import time
from contextvars import ContextVar


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
