"""Runs Redis for a test as people run it in production: a cluster, with Sentinels, with TLS."""

import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import redis

from tests.certificate import self_signed
from tests.processes import eventually, free_port
from tests.redis_server import RedisServer

# How long a silent server is waited for before another takes its place; far more in production.
NODE_TIMEOUT_MS: Final = 1000
SERVICE_NAME: Final = "prices"


class _Several:
    """Servers that are started and ended together."""

    def __init__(self, servers: list[RedisServer]) -> None:
        self.servers = servers
        self._running = ExitStack()

    def __enter__(self) -> Self:
        for server in self.servers:
            self._running.enter_context(server)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._running.close()

    def _on_port(self, port: int) -> RedisServer:
        return next(server for server in self.servers if server.port == port)


class RedisCluster(_Several):
    """Three masters with a replica each."""

    def __init__(self) -> None:
        super().__init__([_cluster_node() for _ in range(6)])

    def __enter__(self) -> Self:
        super().__enter__()
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        self._manage("create", *addresses, "--cluster-replicas", "1")
        eventually(self._is_complete)
        return self

    @property
    def url(self) -> str:
        """What REDIS_URL takes: two nodes, of which the others can be learned."""
        first, *_, last = self.servers
        return f"redis+cluster://127.0.0.1:{first.port},127.0.0.1:{last.port}"

    def owner_of(self, slot: int) -> RedisServer:
        """The master that holds a slot."""
        for first, last, (_, port, *_), *_ in self._ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return self._on_port(port)
        raise LookupError(slot)

    def masters(self) -> list[RedisServer]:
        """Those that hold keys."""
        ports = {port for _, _, (_, port, *_), *_ in self._ask("CLUSTER SLOTS")}
        return [server for server in self.servers if server.port in ports]

    def keys(self, pattern: str = "*") -> list[bytes]:
        """The keys in all masters."""
        return [key for server in self.masters() for key in server.keys(pattern)]

    def reshard(self, slots: int) -> None:
        """Move slots from the first master to another, while it is in use."""
        donor, taker, *_ = self.masters()
        self._manage(
            *("reshard", f"127.0.0.1:{donor.port}", "--cluster-slots", str(slots)),
            *("--cluster-from", donor.node_id, "--cluster-to", taker.node_id),
        )

    def _ask(self, command: str) -> Any:
        for server in self.servers:
            try:
                return server.client.execute_command(command)  # type: ignore[no-untyped-call]
            except redis.ConnectionError:
                continue
        raise LookupError("no node is alive")

    def _manage(self, *command: str) -> None:
        subprocess.run(
            ["redis-cli", "--cluster", *command, "--cluster-yes"],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _is_complete(self) -> bool:
        return all(
            info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "6"
            for info in (server.client.cluster("info") for server in self.servers)
        ) and all(len(holders) == 4 for holders in self._ask("CLUSTER SLOTS"))


class SentinelRedis(_Several):
    """A master, two replicas, and three Sentinels that watch them."""

    def __init__(self) -> None:
        self.master = RedisServer()
        port = str(self.master.port)
        replicas = [RedisServer("--replicaof", "127.0.0.1", port) for _ in range(2)]
        self.sentinels = [_Sentinel(self.master.port) for _ in range(3)]
        super().__init__([self.master, *replicas, *self.sentinels])

    def __enter__(self) -> Self:
        super().__enter__()
        eventually(self._all_know_each_other)
        return self

    @property
    def url(self) -> str:
        """What REDIS_URL takes."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE_NAME}/0"

    def master_now(self) -> RedisServer:
        """The server that the Sentinels name."""
        return self._on_port(self._seen_by(self.sentinels[0])["port"])

    def _all_know_each_other(self) -> bool:
        return all(
            (state["num-slaves"], state["num-other-sentinels"]) == (2, 2)
            for state in map(self._seen_by, self.sentinels)
        )

    @staticmethod
    def _seen_by(sentinel: RedisServer) -> Any:
        return cast("Any", sentinel.client).sentinel_master(SERVICE_NAME)


class TlsRedisServer(RedisServer):
    """Takes TLS alone, and only clients with a certificate that it knows."""

    def __init__(self, folder: Path) -> None:
        self.certificate = self_signed(folder / "server.pem")
        self.client_certificate = self_signed(folder / "client.pem")
        super().__init__()
        self._options = (
            *("--port", "0", "--tls-port", str(self.port)),
            *("--tls-cert-file", str(self.certificate)),
            *("--tls-key-file", str(self.certificate)),
            *("--tls-ca-cert-file", str(self.client_certificate)),
        )

    @property
    def url(self) -> str:
        """What REDIS_URL takes."""
        return self.url_trusting(self.certificate)

    def url_trusting(self, authority: Path) -> str:
        """The same, of a client that trusts only that authority."""
        mine = self.client_certificate
        return (
            f"rediss://127.0.0.1:{self.port}/0"
            f"?ssl_ca_certs={authority}&ssl_certfile={mine}&ssl_keyfile={mine}"
        )

    @property
    def client(self) -> "redis.Redis":
        """A client of the test's own."""
        return redis.Redis.from_url(self.url, protocol=2)


class _Sentinel(RedisServer):
    """A Sentinel writes what it learns into its configuration."""

    def __init__(self, master_port: int) -> None:
        super().__init__()
        self._configuration = self._folder / "sentinel.conf"
        self._configuration.write_text(
            f"sentinel monitor {SERVICE_NAME} 127.0.0.1 {master_port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE_NAME} {NODE_TIMEOUT_MS}\n"
            f"sentinel failover-timeout {SERVICE_NAME} 5000\n"
        )

    def _command(self) -> list[str]:
        address = ["--port", str(self.port), "--bind", "127.0.0.1"]
        return ["redis-server", str(self._configuration), "--sentinel", *address]


def _cluster_node() -> RedisServer:
    return RedisServer(
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
    )
