"""The WSGI environment of a request (PEP 3333), as gunicorn builds it."""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gunicorn.util import unquote_to_wsgi_str

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def environ_of(request: Any, client: Any, listener: Any) -> "WSGIEnvironment":
    """Return the environment.

    client, listener: their addresses, as sockets give them; not a tuple for a Unix socket.
    """
    major, minor = request.version
    server_name, server_port = listener[:2] if isinstance(listener, tuple) else (listener, "")
    environ = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": request.body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_wsgi_str(request.path),
        "QUERY_STRING": request.query,
        "RAW_URI": request.uri,
        "SERVER_NAME": server_name,
        "SERVER_PORT": str(server_port),
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "REMOTE_ADDR": "",
    }
    if isinstance(client, tuple):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for name, value in request.headers:
        key = _key(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


@lru_cache(maxsize=256)  # clients choose the names
def _key(name: str) -> str:
    key = name.replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
