"""Parses REDIS_URL."""

import os
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

SCHEMES: Final = (
    "memory",
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
TAKES: Final = (
    "must be a URL that starts with memory://, redis://, unix://, redis+sentinel:// or"
    " redis+cluster://; use rediss instead of redis for TLS"
)
BAD_PORT: Final = (
    "must have a port from 0 to 65535; write / ? # and @ in a password as %2F %3F %23 and %40"
)
# redis-py would fail at the first connection with any other option or value.
OPTIONS: Final = {"db": "[0-9]{1,5}", "username": ".+", "password": ".+"}
TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS_OPTIONS: Final = {
    **dict.fromkeys(TLS_FILES, ".+"),
    "ssl_cert_reqs": "none|optional|required",
}
SENTINEL_OPTIONS: Final = {"sentinel_username": ".+", "sentinel_password": ".+"}
DEFAULT_PORTS: Final = {"sentinel": 26379, "cluster": 6379}
# A URL that can name several hosts: what precedes them, and the hosts.
HOSTS: Final = re.compile(r"^([^/]*\+[^/]*//(?:[^/?#]*@)?)([^/?#]*)")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A valid REDIS_URL.

    kind: `memory`, `server`, `sentinel` or `cluster`.
    server: URL of one server in redis-py's form; its options apply to every server.
    addresses: addresses of the Sentinels, or of some nodes of the cluster.
    service: the Sentinels' name for the master.
    sentinel_login: username and password for the Sentinels themselves.
    """

    kind: str
    server: str
    addresses: tuple[Address, ...] = ()
    service: str = ""
    sentinel_login: tuple[str | None, str | None] = (None, None)

    @property
    def location(self) -> str:
        """Host and port, or path of the socket, without any secret; empty for `memory`."""
        if self.addresses:
            return ",".join(f"{host}:{port}" for host, port in self.addresses)
        parts = urlsplit(self.server)
        if parts.scheme == "unix":
            return parts.path
        host = parts.netloc.rpartition("@")[2] or "localhost"
        return "" if self.kind == "memory" else host

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL. Raises ValueError; its message quotes no part of the URL (a secret)."""
        try:
            # urlsplit supports one host only, and newer Pythons check the brackets around it.
            parts = urlsplit(HOSTS.sub(r"\1localhost", url))
            options = parse_qsl(
                parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
            )
        except ValueError:
            raise ValueError(TAKES) from None  # urllib's message quotes the URL
        if "://" not in url or parts.scheme not in SCHEMES:
            raise ValueError(TAKES)
        scheme, _, kind = parts.scheme.partition("+")
        _check_options(options, is_tls=scheme == "rediss", is_sentinel=kind == "sentinel")
        if kind:
            match = HOSTS.match(url)
            hosts = match[2] if match else ""
            return cls._parse_multiple(parts, scheme, kind, hosts, dict(options))
        _check_single(parts)
        return cls("memory" if scheme == "memory" else "server", url)

    @classmethod
    def _parse_multiple(
        cls, parts: SplitResult, scheme: str, kind: str, hosts: str, options: dict[str, str]
    ) -> Self:
        addresses = tuple(_address(host, DEFAULT_PORTS[kind]) for host in hosts.split(","))
        if kind == "cluster":
            if parts.path not in ("", "/", "/0") or options.get("db", "0") != "0":
                raise ValueError("must not name a database other than 0 for a cluster")
            service, database = "", "0"
        else:
            path = re.fullmatch("/([^/]+)(?:/([0-9]{1,5}))?/?", parts.path)
            if path is None:
                raise ValueError(
                    "must have the master's name as its path for Sentinels, and may have a database"
                    " number after it, like redis+sentinel://host:26379,host:26379/mymaster/0"
                )
            service, database = path[1], path[2] or "0"
        sentinel_login = (
            options.pop("sentinel_username", None),
            options.pop("sentinel_password", None),
        )
        server = f"{scheme}://{parts.netloc}/{database}?{urlencode(options)}"
        return cls(kind, server, addresses, service, sentinel_login)


def check_files(url: str) -> None:
    """Check that the files named in a valid URL can be read. Raises ValueError.

    Call this when loading settings only. If a certificate disappears later, a new worker loses
    Redis but still starts.
    """
    for name, value in parse_qsl(urlsplit(RedisUrl.parse(url).server).query):
        if name in TLS_FILES and not os.access(value, os.R_OK):
            raise ValueError(f"must name a readable file in {name}")


def _address(text: str, default_port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        raise ValueError(BAD_PORT) from None
    if not parts.hostname or parts.path:
        raise ValueError("must have hosts separated by commas, like host:6379,host:6379")
    return parts.hostname, port or default_port


def _check_single(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(BAD_PORT) from None
    if parts.scheme in ("redis", "rediss") and not re.fullmatch("/?|/[0-9]{1,5}", parts.path):
        raise ValueError("must have a database number as its path, like redis://host:6379/0")
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("must have the path of a socket, like unix:///run/redis/redis.sock")


def _check_options(options: list[tuple[str, str]], *, is_tls: bool, is_sentinel: bool) -> None:
    known = {
        **OPTIONS,
        **(TLS_OPTIONS if is_tls else {}),
        **(SENTINEL_OPTIONS if is_sentinel else {}),
    }
    for name, value in options:
        if name not in known:
            raise ValueError(f"supports only these URL options: {', '.join(known)}")
        if not re.fullmatch(known[name], value):
            raise ValueError(f"has a wrong value for the URL option {name}")
