"""A store that all workers and replicas share.

Each call is one round trip, and what must be atomic is a Lua script, so that only Redis' own
clock tells the time. Nothing is retried here: whoever asks has something better to do.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis
from redis.exceptions import NoScriptError

from api.services.cache.entries import (
    CLOCK_TOLERANCE_SECONDS,
    LOCK_HELD,
    Claim,
    Entry,
    FailureMarker,
    LockAcquired,
)
from api.services.cache.lifetimes import (
    BACKGROUND_PAUSE_SECONDS,
    HANDOVER_SECONDS,
    LOCK_SECONDS,
    MARKER_SECONDS,
    marker_seconds,
)
from api.services.cache.memory_store import steady_time
from api.services.cache.redis.connections import MAX_CONNECTIONS, connections_to
from api.services.cache.redis.encoding import (
    CHANNEL,
    Announcement,
    check_key,
    entry_key,
    lock_key,
    marker_key,
    turn_key,
    unpack_announcement,
    unpack_entry,
    unpack_marker,
)
from api.services.deadline import within
from api.services.slots import Slots
from api.telemetry import metrics

SCRIPTS: Final = ("claim", "put", "fail", "renew", "release", "drop", "take_turn")
# What a call may take in all, with a new connection if there is none.
CALL_SECONDS: Final = 0.35
CLOCK_CHECK_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 1.0
# So many that every node of a cluster holds one of them.
CHECK_KEYS: Final = 256
# A reply of another kind than the command has, where the connection is out of step, ends so.
NO_REPLY_TO_THAT: Final = (AttributeError, LookupError, TypeError, ValueError)

T = TypeVar("T")


class StoreUnavailable(Exception):
    """Redis did not do what it was asked; the text says why, for the log."""


class RedisStore:
    """Implements `Store` on Redis. Every method raises StoreUnavailable."""

    def __init__(self, url: str) -> None:
        """Opens no connection yet. `url`: as REDIS_URL takes it."""
        self._connections = connections_to(url)
        self._clock = _RedisClock()
        self._is_closed = False
        self._slots = Slots(MAX_CONNECTIONS)
        self._markers = 0
        self._scripts = {name: _script(name) for name in SCRIPTS}

    def now(self) -> float:
        return self._clock.now()

    def time(self) -> float:
        return self._timed(lambda: (*self._connections.home().time(), b"", b""))[0]

    def check(self) -> None:
        """See whether Redis answers and takes writes, wherever it holds keys."""
        self._guarded(self._connections.refresh)
        keys = [check_key(number) for number in range(CHECK_KEYS)]
        for key in self._guarded(lambda: self._connections.one_for_each(keys)):
            self._on(key, "SET", key, "1", "PX", 1000)
        self.time()

    def close(self) -> None:
        self._is_closed = True
        self._connections.close()

    @contextmanager
    def announcements(self) -> Iterator[Iterator["Announcement | None"]]:
        """All that the fleet puts and drops from now on, on a connection of its own.

        Yields None each HEARTBEAT_SECONDS in which the connection was seen to be alive.
        """
        server = self._guarded(self._connections.home)
        subscription = server.pubsub()
        try:
            self._guarded(lambda: subscription.subscribe(CHANNEL))
            confirmed = self._guarded(lambda: subscription.get_message(timeout=None))
            if confirmed is None or confirmed["type"] != "subscribe":
                raise StoreUnavailable("the subscription was not confirmed")
            yield self._messages(server, subscription)
        finally:
            subscription.close()

    def _messages(
        self, server: "redis.Redis", subscription: "redis.client.PubSub"
    ) -> Iterator["Announcement | None"]:
        alive_at = checked_at = time.monotonic()
        while True:
            message = self._guarded(
                # Of a busy worker the time is over before it looks, so it looks once more.
                lambda: (
                    subscription.get_message(timeout=HEARTBEAT_SECONDS)
                    or subscription.get_message()
                ),
                HEARTBEAT_SECONDS + CALL_SECONDS,
            )
            now = time.monotonic()
            if message is not None:
                alive_at = now
                if message["type"] == "message":
                    yield unpack_announcement(message["data"])
            if now - checked_at >= HEARTBEAT_SECONDS:
                if alive_at < checked_at:
                    raise StoreUnavailable("the subscription does not reply")
                checked_at = now
                self._guarded(subscription.ping)
                self._guarded(lambda: self._connections.check_hears(server))
                self.time()
                yield None

    def get(self, key: str) -> Entry | None:
        if self._clock.is_due():
            self.time()
        entry = self._read(entry_key(key), unpack_entry)
        metrics.reads("redis", key.partition("|")[0], found=entry is not None).inc()
        if entry is not None and entry.fetched_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def failure_marker(self, key: str) -> FailureMarker | None:
        marker = self._read(marker_key(key), unpack_marker)
        if marker is not None and marker.failed_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return marker

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Claim:
        now, kind, value = self._run(
            "claim",
            [entry_key(key), lock_key(key), marker_key(key)],
            owner,
            f"{not_before:.6f}",
            f"{arrived:.6f}",
            int(background),
            _ms(LOCK_SECONDS),
            BACKGROUND_PAUSE_SECONDS,
            CLOCK_TOLERANCE_SECONDS,
            _ms(MARKER_SECONDS),
        )
        match kind:
            case b"entry":
                return _require(unpack_entry(value))
            case b"failure":
                return _require(unpack_marker(value))
            case b"granted":
                return LockAcquired(now, int(value))
            case _:
                return LOCK_HELD

    def renew(self, key: str, owner: str) -> None:
        self._run(
            "renew",
            [lock_key(key), marker_key(key)],
            owner,
            _ms(LOCK_SECONDS),
            _ms(MARKER_SECONDS),
        )

    def release(self, key: str, owner: str) -> None:
        self._run("release", [lock_key(key)], owner)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        _, _, value = self._run(
            "put",
            [entry_key(key), lock_key(key), marker_key(key)],
            owner,
            body,
            f"{fetched_at:.6f}",
            f"{ttl:.3f}",
            stale_ttl,
            HANDOVER_SECONDS,
            CLOCK_TOLERANCE_SECONDS,
            CHANNEL,
            key,
        )
        return _require(unpack_entry(value))

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> FailureMarker:
        _, _, value = self._run(
            "fail",
            [lock_key(key), marker_key(key)],
            owner,
            body,
            f"{pause:.6f}",
            tries,
            _ms(marker_seconds(pause)),
        )
        return _require(unpack_marker(value))

    def drop(self, key: str, fetched_at: float) -> None:
        self._run("drop", [entry_key(key)], f"{fetched_at:.6f}", CHANNEL, key)

    def take_turn(
        self, key: str, interval: float, max_wait: float, worker_count: int
    ) -> tuple[float, float]:
        """As in `Store`: turns are `interval` apart, since all workers ask the same Redis."""
        del worker_count
        _, _, value = self._run(
            "take_turn",
            [turn_key(key)],
            f"{interval:.6f}",
            f"{max_wait:.6f}",
            CLOCK_TOLERANCE_SECONDS,
        )
        return float(value), interval

    def _run(self, name: str, keys: list[str], *args: object) -> tuple[float, bytes, bytes]:
        script, rest = self._scripts[name], (len(keys), *keys, *args)

        def call() -> Any:
            try:
                return self._connections.run(keys[0], "EVALSHA", script.sha1, *rest)
            except NoScriptError:
                # The server is new, or became the master just now; from here on it knows it.
                return self._connections.run(keys[0], "EVAL", script.text, *rest)

        return self._timed(call)

    def _timed(self, call: Callable[[], Any]) -> tuple[float, bytes, bytes]:
        """Every script tells Redis' time, which keeps our idea of it right."""

        def ask() -> tuple[float, bytes, bytes]:
            asked = time.monotonic()
            now, kind, value = _told(*call())
            self._clock.learn(now, asked, time.monotonic())
            return now, kind, value

        answer: tuple[float, bytes, bytes] = self._in_turn(ask)
        return answer

    def _read(self, key: str, unpack: Callable[[bytes], T | None]) -> T | None:
        """The value under a key; what is not ours is deleted."""
        try:
            raw = self._on(key, "GET", key)
        except _WrongType:
            raw = b""
        if not isinstance(raw, bytes | None):
            raise StoreUnavailable("GET returned an unexpected reply")
        value = None if raw is None else unpack(raw)
        if raw is not None and value is None:
            self._on(key, "DEL", key)
        return value

    def _on(self, key: str, *command: object) -> Any:
        return self._in_turn(lambda: self._connections.run(key, *command))

    def _in_turn(self, call: Callable[[], Any]) -> Any:
        """What a call brings once a connection is free for it, unless one before it failed."""
        failures = self._markers
        with self._slots.one():
            if self._markers != failures:
                raise StoreUnavailable("another call just failed")
            try:
                return self._guarded(call)
            except StoreUnavailable:
                self._markers += 1
                raise

    def _guarded(self, call: Callable[[], Any], seconds: float = CALL_SECONDS) -> Any:
        if self._is_closed:  # the connections would be opened anew, and by nobody closed
            raise StoreUnavailable("the store is closed")
        try:
            with within(seconds):
                return call()
        except redis.ResponseError as exc:
            if str(exc).startswith("WRONGTYPE"):
                raise _WrongType from exc
            metrics.REDIS_ERRORS.labels("refusal").inc()
            raise StoreUnavailable(_reason(exc)) from exc
        except (redis.RedisError, OSError, *NO_REPLY_TO_THAT) as exc:
            timed_out = isinstance(exc, redis.TimeoutError | TimeoutError)
            metrics.REDIS_ERRORS.labels("timeout" if timed_out else "connection").inc()
            raise StoreUnavailable(_reason(exc)) from exc
        finally:
            if self._is_closed:  # meanwhile, and redis-py opens again what it finds closed
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
    """Redis' time as seen from here: the monotonic clock and a distance that is kept up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._distance = steady_time() - time.monotonic()
        self._learned_at = float("-inf")

    def now(self) -> float:
        return time.monotonic() + self._distance

    def is_due(self) -> bool:
        """Whether nothing has told Redis' time for so long that it should be asked for."""
        return time.monotonic() - self._learned_at > CLOCK_CHECK_SECONDS

    def learn(self, told: float, asked: float, heard: float) -> None:
        """Redis told its time between the two moments of the monotonic clock.

        When between, nobody knows. So a reply that was long on its way moves only what it proves
        wrong: a clock that went back would date a nocache before fetches that are older.
        """
        with self._lock:
            self._distance = min(max(self._distance, told - heard), told - asked)
            self._learned_at = heard


def _told(seconds: str, microseconds: str, kind: bytes, value: bytes) -> tuple[float, bytes, bytes]:
    return int(seconds) + int(microseconds) / 1_000_000, kind, value


def _require(value: T | None) -> T:
    if value is None:
        raise StoreUnavailable("a script returned an unexpected reply")
    return value


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _reason(exc: Exception) -> str:
    # Redis' own words; they name neither passwords nor values.
    return f"{type(exc).__name__}: {exc}"[:200]
