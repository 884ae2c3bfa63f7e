"""The store that all workers and replicas share.

Each call is one round trip. Calls that must be atomic are Lua scripts, which take the time from
Redis.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Final, TypeVar

import redis

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
from api.services.cache.redis.calls import CALL_SECONDS, Calls, StoreUnavailable, WrongType
from api.services.cache.redis.connections import Connections
from api.telemetry.metrics import READ_KINDS, Metrics

# How long a request waits until it may call.
MAX_WAIT_SECONDS: Final = 1.0
# How far apart workers may share their reads of an entry.
SHARED_READS_SECONDS: Final = 60.0
HEARTBEAT_SECONDS: Final = 1.0
# Enough that every node of a cluster holds one of them.
CHECK_KEYS: Final = 256

T = TypeVar("T")


class RedisStore:
    """Implements `Store` on Redis.

    Every method raises StoreUnavailable; those that requests call also raise QueueTooLong.
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
        self._reads = cache(metrics.reads.labels)
        self._connections = connections
        self._calls = Calls(connections, metrics, clock, max_wait_seconds)

    def now(self) -> float:
        return self._calls.clock.now()

    def time(self) -> float:
        return self._calls.time(self._calls.as_request)

    def check(self) -> None:
        """Check that every server that holds keys accepts writes."""
        self._calls.guarded(self._connections.refresh)
        keys = [encoding.check_key(number) for number in range(CHECK_KEYS)]
        for key in self._calls.guarded(lambda: self._connections.one_key_per_server(keys)):
            self._calls.guarded(partial(self._connections.run, key, "SET", key, "1", "PX", 1000))
        self._calls.time(self._calls.guarded)

    def close(self) -> None:
        self._calls.close()

    @contextmanager
    def announcements(self) -> Iterator[Iterator[encoding.Announcement | None]]:
        """Subscribe to the puts and drops of all workers, on a separate connection.

        The iterator yields None at each heartbeat if the connection is alive.
        """
        server = self._calls.guarded(self._connections.home)
        subscription = server.pubsub()
        try:
            self._calls.guarded(lambda: subscription.subscribe(encoding.CHANNEL))
            confirmed = self._calls.guarded(lambda: subscription.get_message(timeout=None))
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
            message = self._calls.guarded(
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
                self._calls.guarded(subscription.ping)
                self._calls.guarded(lambda: self._connections.check_subscription(server))
                self._calls.time(self._calls.guarded)
                yield None

    def get(self, key: str, *, touch: bool = True) -> Entry | None:
        del touch  # Redis counts every read as a use
        if self._calls.clock.is_due():
            self.time()
        entry = self._read(encoding.entry_key(key), encoding.unpack_entry)
        self._count_read(key, "absent" if entry is None else "found")
        if entry is not None and entry.fetched_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return entry

    def failure_marker(self, key: str) -> FailureMarker | None:
        marker = self._read(encoding.marker_key(key), encoding.unpack_marker)
        if marker is not None and marker.failed_at > self.now() + CLOCK_TOLERANCE_SECONDS:
            return None
        return marker

    def claim(self, key: str, owner: str, caller: Caller, *, background: bool) -> Claim:
        now, kind, value = self._calls.script(
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

    def is_probably_absent(self, key: str) -> bool:
        """Always false: this store does not know."""
        del key
        return False

    def claim_absent(self, key: str, owner: str, caller: Caller) -> LockAcquired | None:
        claimed = self.claim(key, owner, caller, background=False)
        if not isinstance(claimed, LockAcquired):
            return None
        self._count_read(key, "absent")
        return claimed

    def renew(self, key: str, owner: str) -> None:
        self._calls.script(
            "renew",
            [encoding.lock_key(key), encoding.marker_key(key)],
            owner,
            _ms(self.lifetimes.lock),
            _ms(self.lifetimes.marker),
        )

    def release(self, key: str, owner: str) -> None:
        self._calls.script("release", [encoding.lock_key(key)], owner)

    def put(
        self, key: str, owner: str, body: bytes, fetched_at: float, ttl: float, stale_ttl: float
    ) -> Entry:
        _, _, value = self._calls.script(
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
        _, _, value = self._calls.script(
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
        self._calls.script(
            "drop", [encoding.entry_key(key)], f"{fetched_at:.6f}", encoding.CHANNEL, key
        )

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
        _, wait, taken = self._calls.script(
            "take_turns",
            [encoding.turn_key(key)],
            f"{interval:.9f}",
            f"{max_wait:.6f}",
            CLOCK_TOLERANCE_SECONDS,
            count,
            returned,
            send=self._calls.as_request,
        )
        return Turns(float(wait), interval, int(taken))

    def share_reads(self, key: str, fetched_at: float, parts: int) -> int:
        _, _, value = self._calls.script(
            "share_reads",
            [encoding.reads_key(key)],
            f"{fetched_at:.6f}",
            parts,
            _ms(SHARED_READS_SECONDS),
        )
        return int(value)

    def _count_read(self, key: str, result: str) -> None:
        kind = key.partition("|")[0]
        if kind in READ_KINDS:
            self._reads("redis", kind, result).inc()

    def _read(self, key: str, unpack: Callable[[bytes], T | None]) -> T | None:
        """Return the value of a key. Delete it if it is not in our format."""
        try:
            raw = self._command(key, "GET", key)
        except WrongType:
            raw = b""
        if not isinstance(raw, bytes | None):
            raise StoreUnavailable("GET returned an unexpected reply")
        value = None if raw is None else unpack(raw)
        if raw is not None and value is None:
            self._command(key, "DEL", key)
        return value

    def _command(self, key: str, *command: object) -> Any:
        return self._calls.as_request(lambda: self._connections.run(key, *command))


def _require(value: T | None) -> T:
    if value is None:
        raise StoreUnavailable("a script returned an unexpected reply")
    return value


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
