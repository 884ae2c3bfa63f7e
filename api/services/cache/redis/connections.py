"""The way to Redis: to one server, to the master that Sentinels name, or to a cluster.

How long an answer may take, the caller says. Nothing that failed is tried again: whoever asks has
something better to do.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from api.services.cache.redis.cluster import EACH_SECONDS, Cluster
from api.settings.redis_url import Address, RedisUrl

# Of a worker to each server, besides that of the announcements. The pools of redis-py never
# close one, so its number is that of the callers whom RedisStore lets ask at once.
MAX_CONNECTIONS: Final = 32
# The end of a wait in a thread without gevent's loop, which the caller's own limit does not end.
# It is far above that limit, so that a worker never meets it.
PLAIN_SECONDS: Final = 2.0


class Connections(Protocol):
    """The servers that hold the keys. Every method raises redis.RedisError or OSError."""

    def run(self, key: str, *command: object) -> Any:
        """What the server that holds the key answers to a command."""

    def home(self) -> "redis.Redis":
        """The server that tells the time and the announcements."""

    def check_hears(self, server: "redis.Redis") -> None:
        """See whether a server that was `home` still hears all that is announced."""

    def refresh(self) -> None:
        """Find out anew which server holds what."""

    def one_for_each(self, keys: Iterable[str]) -> Iterable[str]:
        """Of these keys, one for each server that holds any."""

    def close(self) -> None:
        """Give the connections back."""


LIMITS: Final[dict[str, Any]] = {
    "socket_timeout": PLAIN_SECONDS,
    "socket_connect_timeout": PLAIN_SECONDS,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    "protocol": 2,
    "driver_info": None,
    # For CLIENT LIST. Under TLS there must be something to read first: redis-py takes the session
    # tickets that follow the handshake for a connection that is out of step.
    "client_name": "flight-price-api",
}


class OneServer:
    """Implements `Connections` where one server holds everything."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def run(self, key: str, *command: object) -> Any:
        del key
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def home(self) -> "redis.Redis":
        return self._client

    def check_hears(self, server: "redis.Redis") -> None:
        """Nothing is announced anywhere else."""

    def refresh(self) -> None:
        """There is no other."""

    def one_for_each(self, keys: Iterable[str]) -> Iterable[str]:
        return [next(iter(keys))]

    def close(self) -> None:
        # A client does not close a pool that it was given.
        self._client.connection_pool.disconnect()


def connections_to(url: str) -> Connections:
    """The way that REDIS_URL says. Opens no connection yet."""
    where = RedisUrl.parse(url)
    if where.kind == "cluster":
        return Cluster(where.addresses, lambda address: _server(where, address))
    if where.kind == "sentinel":
        return OneServer(_master(where))
    pool = redis.ConnectionPool.from_url(url, **LIMITS)
    return OneServer(redis.Redis(connection_pool=pool))


def _server(where: RedisUrl, address: Address) -> "redis.Redis":
    host, port = address
    options = {**parse_url(where.server), "host": host, "port": port}  # type: ignore[no-untyped-call]
    pool = redis.ConnectionPool(**LIMITS, **options)
    return redis.Redis(connection_pool=pool)


def _master(where: RedisUrl) -> "redis.Redis":
    """A client whose connections go to the master that the Sentinels name at that moment."""
    options = parse_url(where.server)  # type: ignore[no-untyped-call]
    del options["host"]
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    username, password = where.sentinel_login
    login = {"username": username, "password": password, "db": 0}
    each = {"socket_timeout": EACH_SECONDS, "socket_connect_timeout": EACH_SECONDS}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        where.addresses, sentinel_kwargs={**options, **login, **LIMITS, **each}
    )
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        where.service, sentinels, **LIMITS, **options
    )
    return redis.Redis(connection_pool=pool)
