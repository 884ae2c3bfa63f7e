"""The command `python -m sandbox`, which serves the sandbox."""

# Patch before all other imports, so that waiting never blocks other requests.
from gevent import monkey

monkey.patch_all()

import argparse
import re
import signal
import ssl
import sys
from collections.abc import Callable

import gevent
from gevent.event import Event

from sandbox.app import create_app
from sandbox.config import (
    COUNTS,
    RATE_LIMITS,
    TOKEN_LIVES,
    Latency,
    SandboxConfig,
)
from sandbox.faults.fault_book import Fault
from sandbox.http.server import Server, url_of

_PORTS = range(65536)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 0, or 2 if the port cannot be used."""
    options = parser().parse_args(arguments)
    if options.keyfile and not options.certfile:
        parser().error("--keyfile requires --certfile")
    try:
        tls = _tls(options)
    except OSError as error:
        parser().error(f"cannot use the certificate {options.certfile}: {error}")
    server = Server((options.host, options.port), create_app(_config(options)), tls)
    try:
        server.start()
    except OSError as error:
        print(f"sandbox: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    scheme = "https" if options.certfile else "http"
    url = url_of(scheme, options.host, server.socket.getsockname()[1])
    print(f"sandbox listening on {url}", flush=True)
    stop.wait()
    # Unfinished answers end with the process, as in a crash.
    server.close()
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A server that imitates the Amadeus flight search API with invented flights "
        "and prices, for trials and tests.",
    )
    add = arguments.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1, this machine only)")
    add(
        "--port",
        type=_whole_number(_PORTS),
        default=9090,
        help="port to listen on; 0 chooses a free one (9090)",
    )
    add("--seed", default="amadeus", help="another text gives other flights and prices (amadeus)")
    add(
        "--token-life",
        type=_whole_number(TOKEN_LIVES),
        default=1799,
        metavar="SECONDS",
        help="lifetime of an access token (1799)",
    )
    add("--client-id", help="accept only this client id; default: any")
    add("--client-secret", help="accept only this client secret; default: any")
    add(
        "--rate-limit",
        choices=RATE_LIMITS,
        default="none",
        help="reject searches above a rate: test allows 10 a second, 100 ms apart; "
        "production allows 40 a second (none)",
    )
    add(
        "--quota",
        type=_whole_number(COUNTS),
        metavar="N",
        help="reject searches after the first N of a calendar month",
    )
    add(
        "--latency",
        type=_latency,
        default=Latency(),
        metavar="MS",
        help="delay each answer by so many milliseconds; lognormal:80,900 draws random delays, "
        "half of them below 80 ms and one in a hundred above 900 ms (0)",
    )
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="LEG:NAME[=ARG][xCOUNT]",
        help="inject a fault, like search:hang or token:status=500x3; may be repeated "
        "(sandbox/README.md lists the faults)",
    )
    add("--admin", action="store_true", help="enable the URLs under /admin")
    add("--certfile", help="serve TLS with this certificate (PEM)")
    add("--keyfile", help="private key of --certfile, if it is in another file")
    return arguments


def _config(options: argparse.Namespace) -> SandboxConfig:
    return SandboxConfig(
        seed=options.seed,
        token_life=options.token_life,
        client_id=options.client_id,
        client_secret=options.client_secret,
        rate_limit=options.rate_limit,
        quota=options.quota,
        latency=options.latency,
        faults=tuple(options.fault),
        admin=options.admin,
    )


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if not options.certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certfile, options.keyfile)
    return context


def _whole_number(within: range) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not re.fullmatch("[0-9]{1,20}", text) or int(text) not in within:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {within[0]} to {within[-1]}, not {text!r}"
            )
        return int(text)

    return convert


def _latency(text: str) -> Latency:
    try:
        return Latency.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fault(text: str) -> str:
    try:
        Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


if __name__ == "__main__":
    sys.exit(main())
