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
KEY = "k" * 32
MAX_RATE_LIMIT = 1_000_000
LIFE_SECONDS = 6 * 3600
_BIN = Path(sys.executable).parent
_PEERS = ROOT / "bench" / "peers"


@dataclass(frozen=True, slots=True)
class Stage:
    """The environment of all contenders: Redis, the sandbox, and what is cached.

    path: is cached. prices, offers, months: files of cached paths.
    """

    redis: RedisServer
    sandbox: SandboxServer
    path: str
    prices: Path
    offers: Path
    months: Path


@dataclass(frozen=True, slots=True)
class Running:
    """A running contender: its port, the id of its first process, and what to send it.

    paths: a file of paths. key: an API key, if it needs one.
    """

    port: int
    pid: int
    paths: Path
    key: str = ""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"


Start = Callable[[Stage], AbstractContextManager[Running]]


@contextmanager
def service(stage: Stage, **settings: object) -> Iterator[Running]:
    """Run the service with all its log lines (to a file) and metrics."""
    with started(stage, **settings) as it:
        yield Running(it.port, it.process.pid, stage.prices)


@contextmanager
def service_of_offers(stage: Stage) -> Iterator[Running]:
    """Run the service, and ask it for the offers."""
    with started(stage) as it:
        yield Running(it.port, it.process.pid, stage.offers)


@contextmanager
def service_of_months(stage: Stage) -> Iterator[Running]:
    """Run the service, and ask it for whole months."""
    with started(stage) as it:
        yield Running(it.port, it.process.pid, stage.months)


@contextmanager
def guarded_service(stage: Stage) -> Iterator[Running]:
    """Run the service with an API key and a rate limit that the load does not reach."""
    with started(stage, api_keys=KEY, client_rate_limit=MAX_RATE_LIMIT) as it:
        yield Running(it.port, it.process.pid, stage.prices, KEY)


def uncopied_service(stage: Stage) -> AbstractContextManager[Running]:
    """Run the service without the copy in each worker."""
    config = "--config bench/other_app.conf.py"
    return service(stage, gunicorn_cmd_args=config, wsgi_module="bench.uncopied")


def started(stage: Stage, **settings: object) -> Service:
    """Return the service on a stage. Its prices outlast every measurement."""
    common = {"redis_url": stage.redis.url, "web_concurrency": WORKERS, "cache_ttl": LIFE_SECONDS}
    return Service.on(stage.sandbox, **{**common, **settings})


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
        yield Running(port, it.process.pid, stage.prices)


def under_gunicorn(module: str) -> Start:
    """Return a function that runs a WSGI peer with gunicorn's own gevent worker."""

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
        yield Running(port, it.process.pid, stage.prices)


BARE = "bare Falcon"
SERVICE = "this service"
DJANGO = "Django REST + django-redis"
FLASK = "Flask + redis"
FASTAPI = "FastAPI + redis.asyncio"

PEERS: dict[str, Start] = {
    BARE: under_gunicorn("bare_falcon"),
    SERVICE: service,
    FLASK: under_gunicorn("flask_redis"),
    DJANGO: under_gunicorn("django_rest"),
    FASTAPI: fastapi,
    "nginx cache before the service": nginx,
}
# The service compared with itself.
WAYS: dict[str, Start] = {
    "without the worker's copy": uncopied_service,
    "with keys and limits": guarded_service,
    "/flights/offer": service_of_offers,
    "/flights/calendar of a month": service_of_months,
}
