"""Connections to Redis: to one server, to the master that Sentinels name, or to a cluster.

The caller sets the time limit of each call. A failed call is not retried.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from api.services.cache.redis.cluster import NODE_TIMEOUT_SECONDS, Cluster
from api.settings.redis_url import Address, RedisUrl

# Concurrent calls of requests; fetches may make as many.
MAX_CALLS: Final = 32
# Per worker and server: these calls, the heartbeat, the probe and the announcements. The pools of
# redis-py never close a connection.
MAX_CONNECTIONS: Final = 2 * MAX_CALLS + 3
# Only for threads without a gevent loop, where the caller's own, much shorter limit has no effect.
SOCKET_TIMEOUT_SECONDS: Final = 2.0


class Connections(Protocol):
    """The servers that hold the keys. Every method raises redis.RedisError or OSError."""

    def run(self, key: str, *command: object) -> Any:
        """Run a command on the server that holds the key, and return its reply."""

    def home(self) -> "redis.Redis":
        """Return the server to use for the time and for announcements."""

    def check_subscription(self, server: "redis.Redis") -> None:
        """Check that a server that was `home` still receives all announcements."""

    def refresh(self) -> None:
        """Find out again which server holds which keys."""

    def one_key_per_server(self, keys: Iterable[str]) -> Iterable[str]:
        """Return one of these keys for each server that holds any of them."""

    def close(self) -> None:
        """Close the connections."""


CLIENT_OPTIONS: Final[dict[str, Any]] = {
    "socket_timeout": SOCKET_TIMEOUT_SECONDS,
    "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    "protocol": 2,
    "driver_info": None,
    # Shown by CLIENT LIST. Under TLS, the reply to it must be the first thing to read: redis-py
    # would take the session tickets after the handshake for a connection that is out of step.
    "client_name": "flight-price-api",
}


class OneServer:
    """Implements `Connections` for a single server or master."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def run(self, key: str, *command: object) -> Any:
        """Run a command. `execute_command` adds retries and records, which cost as much again."""
        del key
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command(*command)  # type: ignore[no-untyped-call]
            return connection.read_response()  # both disconnect if they fail
        finally:
            pool.release(connection)

    def home(self) -> "redis.Redis":
        return self._client

    def check_subscription(self, server: "redis.Redis") -> None:
        """Do nothing: a single server receives all announcements."""

    def refresh(self) -> None:
        """Do nothing: a single server holds all keys."""

    def one_key_per_server(self, keys: Iterable[str]) -> Iterable[str]:
        return [next(iter(keys))]

    def close(self) -> None:
        # `Redis.close` does not close a pool that was passed in.
        self._client.connection_pool.disconnect()


def connections_to(url: str) -> Connections:
    """Return the connections for a value of REDIS_URL. Open none yet."""
    where = RedisUrl.parse(url)
    if where.kind == "cluster":
        return Cluster(where.addresses, lambda address: _server(where, address))
    if where.kind == "sentinel":
        return OneServer(_master(where))
    pool = redis.ConnectionPool.from_url(url, **CLIENT_OPTIONS)
    return OneServer(redis.Redis(connection_pool=pool))


def _server(where: RedisUrl, address: Address) -> "redis.Redis":
    host, port = address
    options = {**parse_url(where.server), "host": host, "port": port}  # type: ignore[no-untyped-call]
    pool = redis.ConnectionPool(**CLIENT_OPTIONS, **options)
    return redis.Redis(connection_pool=pool)


def _master(where: RedisUrl) -> "redis.Redis":
    """Return a client that connects to the master that the Sentinels name at that moment."""
    options = parse_url(where.server)  # type: ignore[no-untyped-call]
    del options["host"]
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    username, password = where.sentinel_login
    login = {"username": username, "password": password, "db": 0}
    each = {"socket_timeout": NODE_TIMEOUT_SECONDS, "socket_connect_timeout": NODE_TIMEOUT_SECONDS}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        where.addresses, sentinel_kwargs={**options, **login, **CLIENT_OPTIONS, **each}
    )
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        where.service, sentinels, **CLIENT_OPTIONS, **options
    )
    return redis.Redis(connection_pool=pool)
