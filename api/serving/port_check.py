"""Checks the port before gunicorn does, which would retry for five seconds."""

import errno
import os
import socket
import sys
from collections.abc import Iterable


def exit_if_port_in_use(addresses: Iterable[object]) -> None:
    """Exit with one line on stderr if one of gunicorn's addresses cannot be used.

    Skip Unix sockets and inherited sockets.
    """
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return
    for address in addresses:
        if isinstance(address, tuple):
            _exit_if_in_use(*address)


def _exit_if_in_use(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            why = (
                "is in use" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
            )
            sys.stderr.write(
                f"flight-price-api: port {port} {why}; choose another: PORT=8000 make run\n"
            )
            raise SystemExit(2) from None
