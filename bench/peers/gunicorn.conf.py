"""gunicorn's configuration of the WSGI peers: the service's worker, without its logs."""

from gevent import monkey, sleep

monkey.patch_all()

from typing import Any

from api.serving.metrics_folder import free_slot

worker_class = "api.serving.worker.Worker"
worker_connections = 1000
backlog = 2048
keepalive = 5
accesslog = None
control_socket_disable = True


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker a slot, as the service does."""
    worker.slot = free_slot(sibling.slot for sibling in server.WORKERS.values())


def child_exit(_server: Any, worker: Any) -> None:
    """Release the dead worker's slot."""
    worker.release_slot()


def pre_request(_worker: object, _request: object) -> None:
    """Yield once per request, as the service does."""
    sleep(0)
