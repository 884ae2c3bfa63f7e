"""The store that all workers and replicas share.

Each call is one round trip. Calls that must be atomic are Lua scripts, which take the time from
Redis. A failed call is not retried: the caller falls back to its own memory instead.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis
from redis.exceptions import NoScriptError

from api.services.cache.entries import (
    CLOCK_TOLERANCE_SECONDS,
    LOCK_HELD,
    Caller,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
    Turns,
)
from api.services.cache.lifetimes import BACKGROUND_PAUSE_SECONDS, DEFAULT_LIFETIMES, Lifetimes
from api.services.cache.memory_store import steady_time
from api.services.cache.redis import encoding
from api.services.cache.redis.connections import MAX_CALLS, Connections
from api.services.deadline import within
from api.services.slots import Slots
from api.telemetry.metrics import READ_KINDS, Metrics

SCRIPTS: Final = ("claim", "put", "fail", "renew", "release", "drop", "take_turns", "share_reads")
# Time limit of a call, including a new connection if there is none.
CALL_SECONDS: Final = 0.35
# How long a request waits until it may call.
MAX_WAIT_SECONDS: Final = 1.0
CLOCK_CHECK_SECONDS: Final = 30.0
# How far apart workers may share their reads of an entry.
SHARED_READS_SECONDS: Final = 60.0
HEARTBEAT_SECONDS: Final = 1.0
# Enough that every node of a cluster holds one of them.
CHECK_KEYS: Final = 256
# Raised when a reply has an unexpected form, as on a connection that is out of step, and by bugs.
MALFORMED_REPLY: Final = (AttributeError, LookupError, TypeError, ValueError)

T = TypeVar("T")
Send = Callable[[Callable[[], Any]], Any]


class StoreUnavailable(Exception):
    """A call to Redis failed; the text says why, for the log."""


class UnexpectedReply(StoreUnavailable):
    """Redis' reply could not be read. It may also be a bug, so the log needs the traceback."""


class RedisStore:
    """Implements `Store` on Redis. Every method raises StoreUnavailable.

    The methods that requests call also raise QueueTooLong. Fetches have a separate queue, so that
    many requests cannot delay the renewal of a lock; MAX_FETCHES limits its length.
    """

    def __init__(
        self,
        connections: Connections,
        metrics: Metrics,
        clock: Callable[[], float] = steady_time,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    ) -> None:
        """Open no connection yet. clock: this machine's, used until the time of Redis is known."""
        self.lifetimes = lifetimes
        self._heartbeat_seconds = heartbeat_seconds
        self._max_wait_seconds = max_wait_seconds
        self._reads = cache(metrics.reads.labels)
        self._errors = metrics.redis_errors
        self._connections = connections
        self._clock = _RedisClock(clock)
        self._is_closed = False
        self._for_requests, self._for_fetches = Slots(MAX_CALLS), Slots(MAX_CALLS)
        self._failures = 0
        self._scripts = {name: _script(name) for name in SCRIPTS}

    def now(self) -> float:
        return self._clock.now()

    def time(self) -> float:
        return self._time(self._as_request)

    def check(self) -> None:
        """Check that every server that holds keys accepts writes."""
        self._guarded(self._connections.refresh)
        keys = [encoding.check_key(number) for number in range(CHECK_KEYS)]
        for key in self._guarded(lambda: self._connections.one_key_per_server(keys)):
            self._guarded(partial(self._connections.run, key, "SET", key, "1", "PX", 1000))
        self._time(self._guarded)

    def close(self) -> None:
        self._is_closed = True
        self._connections.close()

    @contextmanager
    def announcements(self) -> Iterator[Iterator[encoding.Announcement | None]]:
        """Subscribe to the puts and drops of all workers, on a separate connection.

        The iterator yields None at each heartbeat if the connection is alive.
        """
        server = self._guarded(self._connections.home)
        subscription = server.pubsub()
        try:
            self._guarded(lambda: subscription.subscribe(encoding.CHANNEL))
            confirmed = self._guarded(lambda: subscription.get_message(timeout=None))
            if confirmed is None or confirmed["type"] != "subscribe":
                raise StoreUnavailable("the subscription was not confirmed")
            yield self._messages(server, subscription)
        finally:
            subscription.close()

    def _messages(
        self, server: "redis.Redis", subscription: "redis.client.PubSub"
    ) -> Iterator[encoding.Announcement | None]:
        alive_at = checked_at = time.monotonic()
        while True:
            message = self._guarded(
                # In a busy worker the timeout may pass before it looks, so look once more.
                lambda: (
                    subscription.get_message(timeout=self._heartbeat_seconds)
                    or subscription.get_message()
                ),
                self._heartbeat_seconds + CALL_SECONDS,
            )
            now = time.monotonic()
            if message is not None:
                alive_at = now
                if message["type"] == "message":
                    yield encoding.unpack_announcement(message["data"])
            if now - checked_at >= self._heartbeat_seconds:
                if alive_at < checked_at:
                    raise StoreUnavailable("the subscription does not reply")
                checked_at = now
                self._guarded(subscription.ping)
                self._guarded(lambda: self._connections.check_subscription(server))
                self._time(self._guarded)
                yield None

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        del touch  # Redis counts every read as a use
        if self._clock.is_due():
            self.time()
        entry = self._read(encoding.entry_key(key), encoding.unpack_entry)
        kind = key.partition("|")[0]
        if kind in READ_KINDS:
            self._reads("redis", kind, "absent" if entry is None else "found").inc()
        if entry is not None and entry.fetched_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def failure_marker(self, key: str) -> FailureMarker | None:
        marker = self._read(encoding.marker_key(key), encoding.unpack_marker)
        if marker is not None and marker.failed_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return marker

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        now, kind, value = self._run(
            "claim",
            [encoding.entry_key(key), encoding.lock_key(key), encoding.marker_key(key)],
            owner,
            f"{caller.not_before:.6f}",
            f"{caller.arrived:.6f}",
            caller.stale_ttl,
            int(background),
            _ms(self.lifetimes.lock),
            BACKGROUND_PAUSE_SECONDS,
            CLOCK_TOLERANCE_SECONDS,
            _ms(self.lifetimes.marker),
        )
        match kind:
            case b"entry":
                return _require(encoding.unpack_entry(value))
            case b"failure":
                return _require(encoding.unpack_marker(value))
            case b"granted":
                return LockAcquired(now, int(value))
            case _:
                return LOCK_HELD

    def renew(self, key: str, owner: str) -> None:
        self._run(
            "renew",
            [encoding.lock_key(key), encoding.marker_key(key)],
            owner,
            _ms(self.lifetimes.lock),
            _ms(self.lifetimes.marker),
        )

    def release(self, key: str, owner: str) -> None:
        self._run("release", [encoding.lock_key(key)], owner)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        _, _, value = self._run(
            "put",
            [encoding.entry_key(key), encoding.lock_key(key), encoding.marker_key(key)],
            owner,
            body,
            f"{fetched_at:.6f}",
            f"{ttl:.3f}",
            stale_ttl,
            self.lifetimes.handover,
            CLOCK_TOLERANCE_SECONDS,
            encoding.CHANNEL,
            key,
        )
        return _require(encoding.unpack_entry(value))

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        _, _, value = self._run(
            "fail",
            [encoding.lock_key(key), encoding.marker_key(key)],
            owner,
            body,
            f"{pause:.6f}",
            tries,
            _ms(self.lifetimes.marker_after(pause)),
        )
        return _require(encoding.unpack_marker(value))

    def drop(self, key: str, fetched_at: float) -> None:
        self._run("drop", [encoding.entry_key(key)], f"{fetched_at:.6f}", encoding.CHANNEL, key)

    def take_turns(
        self,
        key: str,
        interval: float,
        max_wait: float,
        worker_count: int,
        count: int = 1,
        returned: int = 0,
    ) -> Turns:
        """Take turns as `Store` says; all workers share them, so they need no division."""
        del worker_count
        _, wait, taken = self._run(
            "take_turns",
            [encoding.turn_key(key)],
            f"{interval:.9f}",
            f"{max_wait:.6f}",
            CLOCK_TOLERANCE_SECONDS,
            count,
            returned,
            send=self._as_request,
        )
        return Turns(float(wait), interval, int(taken))

    def share_reads(self, key: str, fetched_at: float, parts: int) -> int:
        _, _, value = self._run(
            "share_reads",
            [encoding.reads_key(key)],
            f"{fetched_at:.6f}",
            parts,
            _ms(SHARED_READS_SECONDS),
        )
        return int(value)

    def _time(self, send: Send) -> float:
        return self._timed(lambda: (*self._connections.home().time(), b"", b""), send)[0]

    def _run(
        self, name: str, keys: list[str], *args: object, send: Send | None = None
    ) -> tuple[float, bytes, bytes]:
        script, rest = self._scripts[name], (len(keys), *keys, *args)

        def call() -> Any:
            try:
                return self._connections.run(keys[0], "EVALSHA", script.sha1, *rest)
            except NoScriptError:
                # The server is new or was just promoted. EVAL also loads the script into it.
                return self._connections.run(keys[0], "EVAL", script.text, *rest)

        return self._timed(call, send or self._as_fetch)

    def _timed(self, call: Callable[[], Any], send: Send) -> tuple[float, bytes, bytes]:
        """Run a script, and adjust the clock by the time in its reply."""

        def run() -> tuple[float, bytes, bytes]:
            sent_at = time.monotonic()
            seconds, microseconds, kind, value = call()
            now = int(seconds) + int(microseconds) / 1_000_000
            self._clock.adjust(now, sent_at, time.monotonic())
            return now, kind, value

        reply: tuple[float, bytes, bytes] = send(run)
        return reply

    def _read(self, key: str, unpack: Callable[[bytes], T | None]) -> T | None:
        """Return the value of a key. Delete it if it is not in our format."""
        try:
            raw = self._command(key, "GET", key)
        except _WrongType:
            raw = b""
        if not isinstance(raw, bytes | None):
            raise StoreUnavailable("GET returned an unexpected reply")
        value = None if raw is None else unpack(raw)
        if raw is not None and value is None:
            self._command(key, "DEL", key)
        return value

    def _command(self, key: str, *command: object) -> Any:
        return self._as_request(lambda: self._connections.run(key, *command))

    def _as_request(self, call: Callable[[], Any]) -> Any:
        return self._with_slot(call, self._for_requests.hold(self._max_wait_seconds))

    def _as_fetch(self, call: Callable[[], Any]) -> Any:
        return self._with_slot(call, self._for_fetches.hold())

    def _with_slot(self, call: Callable[[], Any], slot: AbstractContextManager[None]) -> Any:
        """Call once a connection is free. Raise at once if another call fails meanwhile."""
        failures = self._failures
        with slot:
            if self._failures != failures:
                raise StoreUnavailable("another call just failed")
            try:
                return self._guarded(call)
            except StoreUnavailable:
                self._failures += 1
                raise

    def _guarded(self, call: Callable[[], Any], seconds: float = CALL_SECONDS) -> Any:
        if self._is_closed:  # redis-py would open a new connection, which nobody would close
            raise StoreUnavailable("the store is closed")
        try:
            with within(seconds):
                return call()
        except redis.ResponseError as exc:
            if str(exc).startswith("WRONGTYPE"):
                raise _WrongType from exc
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


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha1: str


def _script(name: str) -> _Script:
    folder = files("api.services.cache.redis") / "lua"
    text = (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class _WrongType(Exception):
    """One of our keys holds a value that is not a string."""


class _RedisClock:
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


def _require(value: T | None) -> T:
    if value is None:
        raise StoreUnavailable("a script returned an unexpected reply")
    return value


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _reason(exc: Exception) -> str:
    # Messages of Redis contain neither passwords nor values.
    return f"{type(exc).__name__}: {exc}"[:200]
