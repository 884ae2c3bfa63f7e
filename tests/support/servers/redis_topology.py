"""Runs Redis for a test as in production: as a cluster, or with Sentinels.

The users of the service, of replicas and of Sentinels are those of deploy/redis/users.acl.
"""

import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import redis

from tests.support.processes import MAX_START_SECONDS, eventually, free_port
from tests.support.servers.redis_server import REDIS, RedisServer
from tests.support.servers.redis_tls import Tls

# The time after which a silent server is replaced; much longer in production.
NODE_TIMEOUT_MS: Final = 1000
SERVICE_NAME: Final = "prices"
ACL_FILE: Final = Path(__file__).resolve().parents[3] / "deploy" / "redis" / "users.acl"
LOGIN: Final = "flight-price-api:change-me"
# Every user of the file; the default user is on for the tests.
USERS: Final = [
    *["--user", "default", "on", "nopass", "~*", "&*", "+@all"],
    *ACL_FILE.read_text()
    .removeprefix("user default off\n")
    .replace("user ", "--user ")
    .replace(" off ", " on ")
    .split(),
    *["--masteruser", "replica", "--masterauth", "change-me"],
]


class _Several:
    """Servers that are started and ended together."""

    def __init__(self, servers: list[RedisServer], tls: Tls | None) -> None:
        self.servers = servers
        self.tls = tls

    def __enter__(self) -> Self:
        with ExitStack() as unless_complete:
            for server in self.servers:
                unless_complete.enter_context(server)
            self._assemble()
            self._running = unless_complete.pop_all()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._running.close()

    def _assemble(self) -> None:
        """Connect the servers to one Redis, and wait until they are ready."""
        raise NotImplementedError

    def denied(self) -> list[dict[str, Any]]:
        """The commands that running servers denied."""
        alive = [server for server in self.servers if server.is_running]
        return [entry for server in alive for entry in cast("Any", server.client).acl_log()]

    def _url(self, kind: str, servers: Iterable[RedisServer], path: str = "") -> str:
        scheme, query = ("rediss", f"?{self.tls.query}") if self.tls else ("redis", "")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        return f"{scheme}+{kind}://{LOGIN}@{hosts}{path}{query}"

    def _on_port(self, port: int) -> RedisServer:
        return next(server for server in self.servers if server.port == port)


class RedisCluster(_Several):
    """Three masters with one replica each."""

    def __init__(self, tls: Tls | None = None, program: str = REDIS) -> None:
        super().__init__([_cluster_node(tls, program) for _ in range(6)], tls)

    def _assemble(self) -> None:
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        self._manage("create", *addresses, "--cluster-replicas", "1")
        eventually(self.is_complete, MAX_START_SECONDS)

    @property
    def url(self) -> str:
        """Return the value for REDIS_URL. It names two nodes; the others are learned from them."""
        first, *_, last = self.servers
        return self._url("cluster", (first, last))

    def owner_of(self, slot: int) -> RedisServer:
        """The master that holds a slot."""
        for first, last, (_, port, *_), *_ in self._ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return self._on_port(port)
        raise LookupError(slot)

    def masters(self) -> list[RedisServer]:
        """The servers that hold keys."""
        ports = {port for _, _, (_, port, *_), *_ in self._ask("CLUSTER SLOTS")}
        return [server for server in self.servers if server.port in ports]

    def keys(self, pattern: str = "*") -> list[bytes]:
        """The keys in all masters."""
        return [key for server in self.masters() for key in server.keys(pattern)]

    def redirections(self) -> int:
        """The number of replies that a slot has moved."""
        told = [cast("Any", server.client).info("errorstats") for server in self.masters()]
        return sum(each.get("errorstat_MOVED", {"count": 0})["count"] for each in told)

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
        tls = self.tls.of_command_line() if self.tls else []
        subprocess.run(
            ["redis-cli", *tls, "--cluster", *command, "--cluster-yes"],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def is_complete(self) -> bool:
        return all(
            info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "6"
            for info in (server.client.cluster("info") for server in self.servers)
        ) and all(len(holders) == 4 for holders in self._ask("CLUSTER SLOTS"))


class SentinelRedis(_Several):
    """A master, two replicas, and three Sentinels that watch them."""

    def __init__(self, tls: Tls | None = None, program: str = REDIS) -> None:
        self.master = RedisServer(*USERS, tls=tls, program=program)
        of_master = ("--replicaof", "127.0.0.1", str(self.master.port))
        replicas = [RedisServer(*USERS, *of_master, tls=tls, program=program) for _ in range(2)]
        self.sentinels = [_Sentinel(self.master.port, tls, program) for _ in range(3)]
        super().__init__([self.master, *replicas, *self.sentinels], tls)

    def _assemble(self) -> None:
        eventually(self._all_know_each_other, MAX_START_SECONDS)

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        return self._url("sentinel", self.sentinels, f"/{SERVICE_NAME}/0")

    def master_now(self) -> RedisServer:
        """The master according to the Sentinels."""
        return self._on_port(self._seen_by(self.sentinels[0])["port"])

    def _all_know_each_other(self) -> bool:
        return all(
            (state["num-slaves"], state["num-other-sentinels"]) == (2, 2)
            for state in map(self._seen_by, self.sentinels)
        )

    @staticmethod
    def _seen_by(sentinel: RedisServer) -> Any:
        return cast("Any", sentinel.client).sentinel_master(SERVICE_NAME)


class _Sentinel(RedisServer):
    """A Sentinel, which writes its state into its configuration file."""

    def __init__(self, master_port: int, tls: Tls | None, program: str) -> None:
        super().__init__(tls=tls, program=program)
        self._configuration = self._folder / "sentinel.conf"
        self._configuration.write_text(
            f"sentinel monitor {SERVICE_NAME} 127.0.0.1 {master_port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE_NAME} {NODE_TIMEOUT_MS}\n"
            f"sentinel failover-timeout {SERVICE_NAME} 5000\n"
            f"sentinel auth-user {SERVICE_NAME} sentinel\n"
            f"sentinel auth-pass {SERVICE_NAME} change-me\n"
        )

    def _command(self) -> list[str]:
        return [self._program, str(self._configuration), "--sentinel", *self._address()]


def _cluster_node(tls: Tls | None, program: str) -> RedisServer:
    return RedisServer(
        *USERS,
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
        # A replica is listed only after its first copy (5 s) and its first ping (10 s).
        *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
        tls=tls,
        program=program,
    )
