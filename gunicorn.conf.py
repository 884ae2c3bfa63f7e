"""How gunicorn serves: one gevent worker a core. docs/adr tells why."""

from gevent import monkey

from api.serving.polling import poll_at_once

poll_at_once()
monkey.patch_all()  # first: post_fork, and all that it imports, runs before the worker's own

import gc
import resource
import signal
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import gevent

from api.serving.metrics_folder import (
    create_folder,
    free_slot,
    release_slot,
    remove_folder,
    take_slot,
)
from api.serving.port_check import exit_if_port_in_use
from api.serving.stop_signals import STOP_SIGNALS, install_fork_signal_handlers
from api.settings import reload_settings
from api.settings.environments import AmadeusEnvironment
from api.settings.startup_summary import WANTED_FILES, summary
from api.telemetry.events import Event
from api.telemetry.logs import GunicornLogger, configure_logs, get_logger

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

# A dump of the memory would hold secrets.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# Each connection takes a file. Many systems allow a process 1024, and more to one that asks.
files, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
if files < WANTED_FILES:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(WANTED_FILES, most_files), most_files))

settings = reload_settings()
configure_logs(settings.log_level, settings.log_format)

# Once for all workers, which start sooner and share the memory. Not api.app itself: metrics are
# to be made after the fork. httpx2 would import its httpcore2 with the first network transport.
in_sandbox = settings.environment is AmadeusEnvironment.SANDBOX
preloaded = ["amadeus", "api.models", "cryptography.fernet", "falcon", "httpx2", "redis"]
for module in (*preloaded, "sandbox" if in_sandbox else "httpcore2"):
    import_module(module)

wsgi_app = "api.wsgi:application"
bind = f"0.0.0.0:{settings.port}"
workers = settings.workers
worker_class = "api.serving.worker.Worker"
worker_connections = 1000
backlog = 2048
# The longest URL that makes sense here has about 250 bytes; proxies add headers of their own.
# What a head may have in all, api/serving/gunicorn_request.py says.
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
# Idle connections hold a stop up for this long; it is also what ends a slow request head.
keepalive = 5
# Below the 30 s that compose gives (stop_grace_period).
graceful_timeout = 20
# The master kills what is left by then. So a worker cuts off sooner what outlives its grace: it
# looks once a second, gives a second to that, and has locks to release. What it leaves is above
# REQUEST_DEADLINE.
shutdown_margin_seconds = 4
timeout = 30
loglevel = settings.log_level
logger_class = GunicornLogger
accesslog = None
# Believed for nothing but the scheme; who the client is, api/access/client_address.py finds out.
forwarded_allow_ips = str(settings.forwarded_allow_ips)
forwarder_headers = ""
# An interface without authentication that nobody here uses.
control_socket_disable = True


def on_starting(server: "Arbiter") -> None:
    """Look whether there is a port to serve on, and make room for the metrics of all workers."""
    exit_if_port_in_use(server.cfg.address)
    create_folder()
    install_fork_signal_handlers()


def when_ready(_server: "Arbiter") -> None:
    """Say once what is being served."""
    gc.freeze()  # what is here stays: to look through it again and again costs time and memory
    get_logger().info(Event.SERVICE_STARTED, **summary(settings))


def on_reload(_server: "Arbiter") -> None:
    """Say what is served from now on, so that whoever changed a key sees that it was read."""
    get_logger().info(Event.SERVICE_STARTED, **summary(settings))


def pre_fork(server: "Arbiter", worker: Any) -> None:
    """Give the worker a slot that no other worker has."""
    siblings: Iterable[Any] = server.WORKERS.values()
    worker.slot = free_slot(sibling.slot for sibling in siblings)


def post_fork(_server: "Arbiter", worker: Any) -> None:
    """Warm the worker up while it starts to serve."""
    take_slot(worker.slot)
    from api.wsgi import application  # noqa: PLC0415 - after the fork, so that workers share nothing

    gc.freeze()
    application.warm_up()


def post_worker_init(worker: Any) -> None:
    """Say that the end has begun before anything else ends; end the same way each time, in time."""
    from api.wsgi import application  # noqa: PLC0415

    def stop(number: int, frame: Any) -> None:
        application.prepare_to_stop()
        worker.handle_exit(number, frame)  # of SIGINT and SIGQUIT gunicorn makes a traceback

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    worker.cfg.set(
        "graceful_timeout", max(0, worker.cfg.graceful_timeout - shutdown_margin_seconds)
    )


def pre_request(_worker: Any, _request: Any) -> None:
    """Let the others have their turn: a client that asks again at once would never give way."""
    gevent.sleep(0)


def worker_exit(_server: "Arbiter", _worker: Any) -> None:
    """Close what the worker opened."""
    from api.wsgi import application  # noqa: PLC0415

    application.stop()


def child_exit(_server: "Arbiter", worker: Any) -> None:
    """Release the dead worker's slot and gauges."""
    release_slot(worker.slot)
    worker.release_slot()


def on_exit(_server: "Arbiter") -> None:
    """Remove the metrics folder when the master exits."""
    remove_folder()
