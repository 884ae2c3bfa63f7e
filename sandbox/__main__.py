"""The command `python -m sandbox`, which serves the sandbox."""

# Patch before all other imports, so that waiting never blocks other requests.
from gevent import monkey

monkey.patch_all()

import argparse
import sys

from protocol.server import add_server_options, serve, tls_of, whole_number
from sandbox.app import create_app
from sandbox.config import (
    COUNTS,
    RATE_LIMITS,
    TOKEN_LIVES,
    Latency,
    SandboxConfig,
)
from sandbox.faults.fault_book import Fault
from sandbox.http.server import Server


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 0, or 2 if the port cannot be used."""
    options = parser().parse_args(arguments)
    tls = tls_of(parser(), options)
    server = Server((options.host, options.port), create_app(_config(options)), tls)
    return serve(server, "sandbox", options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A server that imitates the Amadeus flight search API with invented flights "
        "and prices, for trials and tests.",
    )
    add = arguments.add_argument
    add_server_options(arguments, port=9090)
    add("--seed", default="amadeus", help="another text gives other flights and prices (amadeus)")
    add(
        "--token-life",
        type=whole_number(TOKEN_LIVES),
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
        type=whole_number(COUNTS),
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
