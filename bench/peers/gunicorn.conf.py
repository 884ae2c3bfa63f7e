"""How the WSGI peers are served: as the service itself is, without its logs."""

from gevent import monkey, sleep

monkey.patch_all()

worker_class = "api.worker.Worker"
worker_connections = 1000
backlog = 2048
keepalive = 5
accesslog = None
control_socket_disable = True


def pre_request(_worker: object, _request: object) -> None:
    """Yield once a request, where the service does so as well."""
    sleep(0)
