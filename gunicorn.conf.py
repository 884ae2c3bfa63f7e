"""gunicorn's configuration: one gevent worker per core. docs/adr explains why."""

from gevent import monkey

from api.serving.polling import install_nonblocking_poll

install_nonblocking_poll()
monkey.patch_all()  # before all imports: post_fork runs before the worker's own patching

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
from api.settings.environments import PROVIDERS, AmadeusEnvironment
from api.settings.startup_summary import PREFERRED_OPEN_FILES, log_summary
from api.telemetry.logs import GunicornLogger, configure_logs

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

# A core dump would contain secrets.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# Each connection takes a file. Many systems allow 1024 unless a process raises its soft limit.
files, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
if files < PREFERRED_OPEN_FILES:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(PREFERRED_OPEN_FILES, max_files), max_files))

settings = reload_settings()
configure_logs(settings.log_level, settings.log_format)

# Import once for all workers: they start sooner and share the memory. Only workers import api.wsgi,
# which creates the application.
if settings.environment is AmadeusEnvironment.SANDBOX:
    upstream = ["sandbox"]
elif settings.environment in PROVIDERS:
    upstream = ["bridge.app", "bridge.providers"]
else:
    upstream = []
for module in ("api.app", *upstream):
    import_module(module)

wsgi_app = "api.wsgi:application"
bind = f"0.0.0.0:{settings.port}"
workers = settings.workers
worker_class = "api.serving.worker.Worker"
worker_connections = 1000
backlog = 2048
# The longest useful URL has about 250 bytes; proxies add headers of their own.
# api/serving/gunicorn_request.py limits the whole head.
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
# Idle connections delay a stop for this long. It is also the time limit for a request head.
keepalive = 5
# Less than the 30 s that compose allows (stop_grace_period).
graceful_timeout = 20
# The master kills its workers after graceful_timeout, so they end requests this much sooner: a
# worker checks once a second, takes a second to end requests, and has locks to release. The rest
# is longer than REQUEST_DEADLINE.
shutdown_margin_seconds = 4
timeout = 30
loglevel = settings.log_level
logger_class = GunicornLogger
accesslog = None
# gunicorn believes no forwarding header: nothing needs the scheme, and
# api/access/client_address.py finds the client's address. So it need not look whom to trust.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
forwarded_allow_ips = "*"
# This interface has no authentication, and nothing here uses it.
control_socket_disable = True


def on_starting(server: "Arbiter") -> None:
    """Check the port, create the metrics folder and handle signals during forks."""
    exit_if_port_in_use(server.cfg.address)
    create_folder()
    install_fork_signal_handlers()


def when_ready(_server: "Arbiter") -> None:
    """Log the settings once."""
    gc.freeze()  # scanning these permanent objects again and again costs time and memory
    log_summary(settings)


def on_reload(_server: "Arbiter") -> None:
    """Log the new settings, to confirm a change."""
    log_summary(settings)


def pre_fork(server: "Arbiter", worker: Any) -> None:
    """Give the worker a slot that no other worker has."""
    siblings: Iterable[Any] = server.WORKERS.values()
    worker.slot = free_slot(sibling.slot for sibling in siblings)


def post_fork(_server: "Arbiter", worker: Any) -> None:
    """Create the application, and warm it up while the worker starts to serve."""
    take_slot(worker.slot)  # before the application, which creates the metrics
    from api.wsgi import application  # noqa: PLC0415 - created after the fork, so workers share nothing

    gc.freeze()
    application.warm_up()


def post_worker_init(worker: Any) -> None:
    """Install one stop handler for all signals, which marks the worker as stopping first."""
    from api.wsgi import application  # noqa: PLC0415

    def stop(number: int, frame: Any) -> None:
        application.prepare_to_stop()
        worker.handle_exit(number, frame)  # gunicorn logs a traceback for SIGINT and SIGQUIT

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    worker.cfg.set(
        "graceful_timeout", max(0, worker.cfg.graceful_timeout - shutdown_margin_seconds)
    )


def pre_request(_worker: Any, _request: Any) -> None:
    """Let other greenlets run: a client that sends requests without a pause would block them."""
    gevent.sleep(0)


def worker_exit(_server: "Arbiter", _worker: Any) -> None:
    """Close the application's connections and threads."""
    from api.wsgi import application  # noqa: PLC0415

    application.stop()


def child_exit(_server: "Arbiter", worker: Any) -> None:
    """Release the dead worker's slot and gauges."""
    release_slot(worker.slot)
    worker.release_slot()


def on_exit(_server: "Arbiter") -> None:
    """Remove the metrics folder when the master exits."""
    remove_folder()
