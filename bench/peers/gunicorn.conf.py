"""gunicorn's configuration of the WSGI peers: its own gevent worker, without logs."""

worker_class = "gevent"
worker_connections = 1000
backlog = 2048
keepalive = 5
accesslog = None
control_socket_disable = True
