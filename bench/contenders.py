"""Starts the service and the peers that it is compared with."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT, Server
from tests.support.processes import free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

WORKERS = 2
_BIN = Path(sys.executable).parent
_PEERS = ROOT / "bench" / "peers"


@dataclass(frozen=True, slots=True)
class Stage:
    """The environment of all contenders: Redis, the sandbox, and a path that is cached."""

    redis: RedisServer
    sandbox: SandboxServer
    path: str


@dataclass(frozen=True, slots=True)
class Running:
    """A running contender: its port and the id of its first process."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"


Start = Callable[[Stage], AbstractContextManager[Running]]


@contextmanager
def service(stage: Stage) -> Iterator[Running]:
    """Run the service with all its log lines (to a file) and metrics."""
    with Service.on(
        stage.sandbox, redis_url=stage.redis.url, web_concurrency=WORKERS, log_level="info"
    ) as it:
        yield Running(it.port, it.process.pid)


@contextmanager
def nginx(stage: Stage) -> Iterator[Running]:
    """Run nginx with its cache in front of the service."""
    with ExitStack() as stack:
        behind = stack.enter_context(service(stage))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nginx-"))
        Path(folder).chmod(0o755)  # if root starts nginx, its workers run as another user
        port = free_port()
        text = (_PEERS / "nginx.conf").read_text()
        filled = {"FOLDER": folder, "PORT": str(port), "SERVICE": str(behind.port)}
        for name, value in filled.items():
            text = text.replace(f"@{name}@", value)
        config = Path(folder) / "nginx.conf"
        config.write_text(text)
        command = ["nginx", "-c", str(config), "-e", "stderr"]
        it = stack.enter_context(Server(command, port, stage.path, {}))
        yield Running(port, it.process.pid)


def under_gunicorn(module: str) -> Start:
    """Return a function that runs a WSGI peer with the service's worker."""

    @contextmanager
    def start(stage: Stage) -> Iterator[Running]:
        port = free_port()
        command = [f"{_BIN}/gunicorn", "--config", "bench/peers/gunicorn.conf.py"]
        command += ["--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"]
        with _peer([*command, f"bench.peers.{module}:application"], port, stage) as running:
            yield running

    return start


@contextmanager
def fastapi(stage: Stage) -> Iterator[Running]:
    """Run the ASGI peer under uvicorn with uvloop and httptools."""
    port = free_port()
    command = [f"{_BIN}/uvicorn", "--workers", str(WORKERS), "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    with _peer([*command, "bench.peers.fastapi_redis:application"], port, stage) as running:
        yield running


@contextmanager
def _peer(command: list[str], port: int, stage: Stage) -> Iterator[Running]:
    environment = {"REDIS_URL": stage.redis.url, "PYTHONPATH": str(ROOT)}
    with Server(command, port, stage.path, environment) as it:
        yield Running(port, it.process.pid)


BARE = "bare Falcon"
SERVICE = "this service"
DJANGO = "Django REST + django-redis"
FLASK = "Flask + redis"
FASTAPI = "FastAPI + redis.asyncio"

CONTENDERS: dict[str, Start] = {
    BARE: under_gunicorn("bare_falcon"),
    SERVICE: service,
    FLASK: under_gunicorn("flask_redis"),
    DJANGO: under_gunicorn("django_rest"),
    FASTAPI: fastapi,
    "nginx cache before the service": nginx,
}
