"""What the commands that serve the protocol share: gevent's HTTP server, and how it runs."""

import argparse
import errno
import io
import re
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIHandler, WSGIServer

# The longest time to connect and to send the first line, and to send the rest of a request.
REQUEST_SECONDS = 10.0
# Clients with a pool of connections should close idle ones before the server does.
IDLE_SECONDS = 30.0
_STALLED_SECONDS = 60.0
_BACKLOG = 1024
_MAX_CONNECTIONS = 2048
_NO_FILES = {errno.EMFILE, errno.ENFILE}
_NO_FILES_SECONDS = 0.1
_PORTS = range(65536)


class _TimedReads(io.RawIOBase):
    """What a client sends, until the time is over. After that nothing more should be read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = 0.0
        self.is_late = False

    def allow(self, seconds: float) -> None:
        """Let all reads from now on take so many seconds together."""
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(max(self._end - time.monotonic(), 0.001))
        try:
            return self._connection.recv_into(buffer)
        except OSError:
            self.is_late = True
            raise
        finally:
            self._connection.settimeout(_STALLED_SECONDS)


class Handler(WSGIHandler):
    """The handler of one connection and all its requests, which must come in time."""

    _is_first = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rfile.close()
        self._reads = _TimedReads(self.socket)
        self.rfile = io.BufferedReader(self._reads)

    def read_requestline(self) -> str:
        if self._reads.is_late:
            return ""  # which closes the connection
        self._reads.allow(REQUEST_SECONDS if self._is_first else IDLE_SECONDS)
        self._is_first = False
        line: str = super().read_requestline()
        self._reads.allow(REQUEST_SECONDS)
        return line

    def read_request(self, raw_requestline: str) -> Any:
        try:
            return super().read_request(raw_requestline)
        # Too many headers, or not in time; gevent would treat these as bugs.
        except (HTTPException, OSError) as error:
            raise ValueError(str(error)) from None

    def log_error(self, msg: str, *args: object) -> None:
        """Do not log invalid HTTP: the client gets an error, and it is not a bug of ours."""

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Close without a report if the client closed the connection; report other errors."""
        if isinstance(v, OSError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)

    def handle(self) -> None:
        # Without TCP_NODELAY the end of a long answer waits for the client's acknowledgements.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle()


class Server(WSGIServer):
    """gevent's server, with the handler of this project. tls: serve TLS with this context.

    Its connections use half of the files that it may open, and leave the others for its own calls.
    """

    def __init__(
        self,
        address: tuple[str, int],
        application: Callable[..., Any],
        tls: ssl.SSLContext | None = None,
        *,
        handler_class: type[Handler] = Handler,
    ) -> None:
        secure: dict[str, Any] = {"ssl_context": tls} if tls else {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        super().__init__(
            address,
            application,
            backlog=_BACKLOG,
            spawn=min(files // 2, _MAX_CONNECTIONS) if files > 0 else _MAX_CONNECTIONS,
            handler_class=handler_class,
            log=None,
            **secure,
        )

    def do_read(self) -> Any:
        """Accept a connection. If no file can be opened, try again later, without a report."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in _NO_FILES:
                raise
        self.stop_accepting()
        gevent.spawn_later(_NO_FILES_SECONDS, self.start_accepting)
        return None

    def wrap_socket_and_handle(self, client_socket: socket.socket, address: Any) -> None:
        """Serve a TLS connection, without a report if the handshake fails: the client knows."""
        client_socket.settimeout(REQUEST_SECONDS)
        with suppress(OSError):
            super().wrap_socket_and_handle(client_socket, address)


def add_server_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Add the options for the address and for TLS."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1, this machine only)")
    add(
        "--port",
        type=whole_number(_PORTS),
        default=port,
        help=f"port to listen on; 0 chooses a free one ({port})",
    )
    add("--certfile", help="serve TLS with this certificate (PEM)")
    add("--keyfile", help="private key of --certfile, if it is in another file")


def tls_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the TLS context that the options ask for. Ends the command if it cannot be made."""
    if options.keyfile and not options.certfile:
        parser.error("--keyfile requires --certfile")
    if not options.certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.certfile, options.keyfile)
    except OSError as error:
        parser.error(f"cannot use the certificate {options.certfile}: {error}")
    return context


def whole_number(within: range) -> Callable[[str], int]:
    """Return a converter of an option that accepts whole numbers in a range."""

    def convert(text: str) -> int:
        if not re.fullmatch("[0-9]{1,20}", text) or int(text) not in within:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {within[0]} to {within[-1]}, not {text!r}"
            )
        return int(text)

    return convert


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the URL of a server; an IPv6 address gets brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def serve(server: WSGIServer, name: str, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 0, or 2 if the port cannot be used."""
    try:
        server.start()
    except OSError as error:
        print(f"{name}: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    scheme = "https" if options.certfile else "http"
    url = url_of(scheme, options.host, server.socket.getsockname()[1])
    print(f"{name} listening on {url}", flush=True)
    stop.wait()
    # Unfinished answers end with the process, as in a crash.
    server.close()
    return 0
