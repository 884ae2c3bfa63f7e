"""A store that all workers and replicas share.

Each call is one round trip, and what must be atomic is a Lua script, so that only Redis' own
clock tells the time. Nothing is retried here: whoever asks has something better to do.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from api import metrics
from api.services.entries import CLOCK_TOLERANCE_SECONDS, WAITING, Entry, Failure, Granted, Turn
from api.services.stores.limits import (
    BACKGROUND_PAUSE_SECONDS,
    HANDOVER_SECONDS,
    LOCK_SECONDS,
    MARK_SECONDS,
    mark_seconds,
)
from api.services.stores.memory import steady_time

TIMEOUT_SECONDS: Final = 0.2
# More than the connections that one worker serves, so that no request waits for one.
MAX_CONNECTIONS: Final = 2048
CLOCK_CHECK_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 1.0
_READS: Final = metrics.reads_of("redis")
_FORMAT: Final = b"1"
_PREFIX: Final = "fp:1:"
CHANNEL: Final = f"{_PREFIX}announcements"

T = TypeVar("T")


class StoreUnavailable(Exception):
    """Redis did not do what it was asked; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Somebody put this entry, or dropped the one of that time where there is none here."""

    key: str
    fetched_at: float
    entry: Entry | None


class RedisStore:
    """Implements `Store` on one Redis. Every method raises StoreUnavailable."""

    def __init__(self, url: str) -> None:
        """Opens no connection yet. `url`: redis://, rediss:// or unix://."""
        self._redis = redis.Redis(
            connection_pool=redis.ConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
                protocol=2,
                # No driver_info=None: reading the reply to CLIENT SETINFO also reads TLS 1.3's
                # session tickets, which the pool would take for data left over.
            )
        )
        self._clock = _RedisClock()
        self._claim = self._script("claim")
        self._put = self._script("put")
        self._fail = self._script("fail")
        self._renew = self._script("renew")
        self._release = self._script("release")
        self._drop = self._script("drop")
        self._take_turn = self._script("take_turn")

    def now(self) -> float:
        return self._clock.now()

    def time(self) -> float:
        return self._timed(lambda: (*self._redis.time(), b"", b""))[0]

    def check(self) -> None:
        """See whether Redis answers and takes writes."""
        self._guarded(lambda: self._redis.set(f"{_PREFIX}check", "1", px=1000))
        self.time()

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def announcements(self) -> Iterator[Iterator["Announcement | None"]]:
        """All that the fleet puts and drops from now on, on a connection of its own.

        Yields None each HEARTBEAT_SECONDS in which the connection was seen to be alive.
        """
        subscription = self._redis.pubsub()  # type: ignore[no-untyped-call]
        try:
            self._guarded(lambda: subscription.subscribe(CHANNEL))
            self._guarded(lambda: subscription.get_message(timeout=TIMEOUT_SECONDS))
            yield self._heard(subscription)
        finally:
            subscription.close()

    def _heard(self, subscription: "redis.client.PubSub") -> Iterator["Announcement | None"]:
        alive_at = checked_at = time.monotonic()
        while True:
            message = self._guarded(lambda: subscription.get_message(timeout=HEARTBEAT_SECONDS))
            now = time.monotonic()
            if message is not None:
                alive_at = now
                if message["type"] == "message":
                    yield _unpack_announcement(message["data"])
            if now - checked_at >= HEARTBEAT_SECONDS:
                if alive_at < checked_at:
                    raise StoreUnavailable("the subscription is silent")
                checked_at = now
                self._guarded(subscription.ping)
                self.time()
                yield None

    def get(self, key: str) -> Entry | None:
        if self._clock.is_due():
            self.time()
        raw = self._read(_entry_key(key))
        entry = _unpack_entry(raw) if raw is not None else None
        _READS[entry is not None].inc()
        if raw is not None and entry is None:
            self._guarded(lambda: self._redis.delete(_entry_key(key)))
        if entry is not None and entry.fetched_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def failure(self, key: str) -> Failure | None:
        raw = self._read(_mark_key(key))
        return _unpack_failure(raw) if raw is not None else None

    def claim(
        self, key: str, owner: str, not_before: float, arrived: float, *, background: bool
    ) -> Turn:
        now, kind, value = self._run(
            self._claim,
            [_entry_key(key), _lock_key(key), _mark_key(key)],
            owner,
            f"{not_before:.6f}",
            f"{arrived:.6f}",
            int(background),
            _ms(LOCK_SECONDS),
            BACKGROUND_PAUSE_SECONDS,
            CLOCK_TOLERANCE_SECONDS,
        )
        match kind:
            case b"entry":
                return _certain(_unpack_entry(value))
            case b"failure":
                return _certain(_unpack_failure(value))
            case b"granted":
                return Granted(now, int(value))
            case _:
                return WAITING

    def renew(self, key: str, owner: str) -> None:
        self._run(
            self._renew,
            [_lock_key(key), _mark_key(key)],
            owner,
            _ms(LOCK_SECONDS),
            _ms(MARK_SECONDS),
        )

    def release(self, key: str, owner: str) -> None:
        self._run(self._release, [_lock_key(key)], owner)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        _, _, value = self._run(
            self._put,
            [_entry_key(key), _lock_key(key), _mark_key(key)],
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
        return _certain(_unpack_entry(value))

    def fail(self, key: str, owner: str, body: bytes, pause: float, tries: int) -> Failure:
        _, _, value = self._run(
            self._fail,
            [_lock_key(key), _mark_key(key)],
            owner,
            body,
            f"{pause:.6f}",
            tries,
            _ms(mark_seconds(pause)),
        )
        return _certain(_unpack_failure(value))

    def drop(self, key: str, fetched_at: float) -> None:
        self._run(self._drop, [_entry_key(key)], f"{fetched_at:.6f}", CHANNEL, key)

    def take_turn(self, key: str, interval: float, patience: float, sharers: int) -> float:
        """Seconds to wait for the next turn, `interval` after the last one of the whole fleet.

        Nothing is taken if that is more than `patience`. How many workers share the pace does
        not matter here, since all of them ask the same Redis.
        """
        del sharers
        _, _, value = self._run(
            self._take_turn, [f"{_PREFIX}turn:{{{key}}}"], f"{interval:.6f}", f"{patience:.6f}"
        )
        return float(value)

    def _script(self, name: str) -> Any:
        folder = files("api.services.stores") / "lua"
        return self._redis.register_script(
            (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
        )

    def _run(self, script: Any, keys: list[str], *args: object) -> tuple[float, bytes, bytes]:
        return self._timed(lambda: script(keys=keys, args=args))

    def _timed(self, call: Callable[[], Any]) -> tuple[float, bytes, bytes]:
        """Every script tells Redis' time, which keeps our idea of it right."""
        asked = time.monotonic()
        seconds, microseconds, kind, value = self._guarded(call)
        now = int(seconds) + int(microseconds) / 1_000_000
        self._clock.learn(now, asked, time.monotonic())
        return now, kind, value

    def _read(self, key: str) -> bytes | None:
        try:
            return self._guarded(lambda: self._redis.get(key))  # type: ignore[no-any-return]
        except _WrongType:
            self._guarded(lambda: self._redis.delete(key))
            return None

    @staticmethod
    def _guarded(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except redis.ResponseError as exc:
            if str(exc).startswith("WRONGTYPE"):
                raise _WrongType from exc
            metrics.REDIS_ERRORS.labels("refusal").inc()
            raise StoreUnavailable(_reason(exc)) from exc
        except (redis.RedisError, OSError) as exc:
            timed_out = isinstance(exc, redis.TimeoutError | TimeoutError)
            metrics.REDIS_ERRORS.labels("timeout" if timed_out else "connection").inc()
            raise StoreUnavailable(_reason(exc)) from exc


class _WrongType(Exception):
    """Under a key of ours stands something that is no string."""


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
        """Redis told its time between the two moments of the monotonic clock."""
        with self._lock:
            self._distance = told - (asked + heard) / 2
            self._learned_at = heard


# The braces keep the keys of one question in one slot of a Redis Cluster.
def _entry_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}"


def _lock_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:lock"


def _mark_key(key: str) -> str:
    return f"{_PREFIX}{{{key}}}:mark"


def _unpack(raw: bytes) -> tuple[float, float, float, bytes] | None:
    head, newline, body = raw.partition(b"\n")
    try:
        version, first, second, third = head.split(b" ")
        if version != _FORMAT or not newline:
            return None
        return float(first), float(second), float(third), body
    except ValueError:
        return None


def _unpack_entry(raw: bytes) -> Entry | None:
    parts = _unpack(raw)
    if parts is None:
        return None
    fetched_at, stored_at, ttl, body = parts
    return Entry(body, fetched_at, stored_at, ttl)


def _unpack_failure(raw: bytes) -> Failure | None:
    parts = _unpack(raw)
    if parts is None:
        return None
    failed_at, pause, tries, body = parts
    return Failure(body, failed_at, pause, int(tries))


def _unpack_announcement(raw: bytes) -> Announcement | None:
    key, _, value = raw.partition(b"\n")
    entry = _unpack_entry(value)
    if entry is not None:
        return Announcement(key.decode(), entry.fetched_at, entry)
    try:
        return Announcement(key.decode(), float(value), None)
    except ValueError:
        return None  # not ours: the channel is open to all who reach Redis


def _certain(value: T | None) -> T:
    if value is None:
        raise StoreUnavailable("a script gave an answer that is not ours")
    return value


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _reason(exc: Exception) -> str:
    # Redis' own words; they name neither passwords nor values.
    return f"{type(exc).__name__}: {exc}"[:200]
