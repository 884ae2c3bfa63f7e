"""Calls to Redis: how many at once, how long each may take, and what a failed one means.

A failed call is not retried: the caller falls back to its own memory instead.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError

from api.services.cache.redis.connections import MAX_CALLS, Connections
from api.services.deadline import within
from api.services.slots import Slots
from api.telemetry.metrics import Metrics

SCRIPTS: Final = ("claim", "put", "fail", "renew", "release", "drop", "take_turns", "share_reads")
# Time limit of a call, including a new connection if there is none.
CALL_SECONDS: Final = 0.35
CLOCK_CHECK_SECONDS: Final = 30.0
# Raised when a reply has an unexpected form, as on a connection that is out of step, and by bugs.
MALFORMED_REPLY: Final = (AttributeError, LookupError, TypeError, ValueError)

Send = Callable[[Callable[[], Any]], Any]


class StoreUnavailable(Exception):
    """A call to Redis failed; the text says why, for the log."""


class UnexpectedReply(StoreUnavailable):
    """Redis' reply could not be read. It may also be a bug, so the log needs the traceback."""


class WrongType(Exception):
    """One of our keys holds a value that is not a string."""


class Calls:
    """The calls of one process, and the clock of Redis that their replies set.

    Every method that calls raises StoreUnavailable, and those for requests also QueueTooLong.
    Fetches have a separate queue, so that many requests cannot delay the renewal of a lock. It is
    never long, because the read-through limits the number of fetches.
    """

    def __init__(
        self,
        connections: Connections,
        metrics: Metrics,
        clock: Callable[[], float],
        max_wait_seconds: float,
    ) -> None:
        """clock: this machine's, used until the time of Redis is known."""
        self.clock = RedisClock(clock)
        self._connections = connections
        self._errors = metrics.redis_errors
        self._max_wait_seconds = max_wait_seconds
        self._is_closed = False
        self._for_requests, self._for_fetches = Slots(MAX_CALLS), Slots(MAX_CALLS)
        self._failures = 0
        self._scripts = {name: _script(name) for name in SCRIPTS}

    def close(self) -> None:
        """Close all connections, including those that calls under way open."""
        self._is_closed = True
        self._connections.close()

    def time(self, send: Send) -> float:
        """Return the time of Redis."""
        return self._timed(lambda: (*self._connections.home().time(), b"", b""), send)[0]

    def script(
        self, name: str, keys: list[str], *args: object, send: Send | None = None
    ) -> tuple[float, bytes, bytes]:
        """Run a script. Return the time of Redis, and the kind and the value of the result.

        send: `as_fetch` unless given.
        """
        script, rest = self._scripts[name], (len(keys), *keys, *args)

        def call() -> Any:
            try:
                return self._connections.run(keys[0], "EVALSHA", script.sha1, *rest)
            except NoScriptError:
                # The server is new or was just promoted. EVAL also loads the script into it.
                return self._connections.run(keys[0], "EVAL", script.text, *rest)

        return self._timed(call, send or self.as_fetch)

    def as_request(self, call: Callable[[], Any]) -> Any:
        """Call once one of the connections for requests is free."""
        return self._with_slot(call, self._for_requests.hold(self._max_wait_seconds))

    def as_fetch(self, call: Callable[[], Any]) -> Any:
        """Call once one of the connections for fetches is free."""
        return self._with_slot(call, self._for_fetches.hold())

    def guarded(self, call: Callable[[], Any], seconds: float = CALL_SECONDS) -> Any:
        """Call at once. Raise WrongType if the key holds a value that is not a string."""
        if self._is_closed:  # redis-py would open a new connection, which nobody would close
            raise StoreUnavailable("the store is closed")
        try:
            with within(seconds):
                return call()
        except redis.ResponseError as exc:
            if str(exc).startswith("WRONGTYPE"):
                raise WrongType from exc
            self._errors.labels("refusal").inc()
            raise StoreUnavailable(_reason(exc)) from exc
        except (redis.RedisError, OSError) as exc:
            timed_out = isinstance(exc, redis.TimeoutError | TimeoutError)
            self._errors.labels("timeout" if timed_out else "connection").inc()
            raise StoreUnavailable(_reason(exc)) from exc
        except MALFORMED_REPLY as exc:
            self._errors.labels("connection").inc()
            raise UnexpectedReply(_reason(exc)) from exc
        finally:
            if self._is_closed:  # closed during the call, which may have opened a new connection
                self._connections.close()

    def _timed(self, call: Callable[[], Any], send: Send) -> tuple[float, bytes, bytes]:
        """Send a call, and adjust the clock by the time in its reply."""

        def run() -> tuple[float, bytes, bytes]:
            sent_at = time.monotonic()
            seconds, microseconds, kind, value = call()
            now = int(seconds) + int(microseconds) / 1_000_000
            self.clock.adjust(now, sent_at, time.monotonic())
            return now, kind, value

        reply: tuple[float, bytes, bytes] = send(run)
        return reply

    def _with_slot(self, call: Callable[[], Any], slot: AbstractContextManager[None]) -> Any:
        """Call once a connection is free. Raise at once if another call fails meanwhile."""
        failures = self._failures
        with slot:
            if self._failures != failures:
                raise StoreUnavailable("another call just failed")
            try:
                return self.guarded(call)
            except StoreUnavailable:
                self._failures += 1
                raise


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha1: str


def _script(name: str) -> _Script:
    folder = files("api.services.cache.redis") / "lua"
    text = (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisClock:
    """An estimate of Redis' time: the monotonic clock plus an offset."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._offset = clock() - time.monotonic()
        self._adjusted_at = float("-inf")

    def now(self) -> float:
        return time.monotonic() + self._offset

    def is_due(self) -> bool:
        """Return whether the last adjustment is more than CLOCK_CHECK_SECONDS ago."""
        return time.monotonic() - self._adjusted_at > CLOCK_CHECK_SECONDS

    def adjust(self, redis_time: float, sent_at: float, received_at: float) -> None:
        """Adjust the offset to a reply; the last two times are on the monotonic clock.

        Redis read its clock at some moment between the two. Change the offset only as far as the
        reply proves it wrong: if the clock went back because a reply was slow, a forced read
        would accept fetches from before it arrived.
        """
        with self._lock:
            self._offset = min(max(self._offset, redis_time - received_at), redis_time - sent_at)
            self._adjusted_at = received_at


def _reason(exc: Exception) -> str:
    # Messages of Redis contain neither passwords nor values.
    return f"{type(exc).__name__}: {exc}"[:200]
