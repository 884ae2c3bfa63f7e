"""The command `python -m bridge`, which serves the bridge."""

# Patch before all other imports, so that waiting never blocks other requests.
from gevent import monkey

monkey.patch_all()

import argparse
import datetime as dt
import ipaddress
import os
import secrets
import ssl
import sys
import time

import httpx2

from bridge.app import LoopbackNames, create_app
from bridge.client import Call
from bridge.providers import CALLS_AT_ONCE, FACTORIES
from protocol.page import PageResource
from protocol.server import Server, add_server_options, serve, tls_of

_MAX_SEARCHES = 128
_SEARCH_SECONDS = 20.0

_ABOUT = """\
This server speaks the protocol of the Amadeus flight search API, and gets its offers from
another provider: {provider}. It has nothing to do with Amadeus, the company, and books nothing.
Point any client written for Amadeus at this address. Each search is charged to the provider's
account. {notice}"""


def main(arguments: list[str] | None = None, *, seconds: float = _SEARCH_SECONDS) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 0, or 2 if it cannot start.

    seconds: what a search may take.
    """
    options = parser().parse_args(arguments)
    tls = tls_of(parser(), options)
    is_open = not (options.client_id and options.client_secret)
    if is_open and not _is_loopback(options.host):
        print(
            f"bridge: {options.host} can be reached from other machines, and each search costs "
            "money: --client-id and --client-secret are required",
            file=sys.stderr,
        )
        return 2
    connections = httpx2.HTTPTransport(
        verify=ssl.create_default_context(),
        limits=httpx2.Limits(max_connections=_MAX_SEARCHES * CALLS_AT_ONCE[options.provider]),
    )
    try:
        provider = FACTORIES[options.provider](os.environ, connections, seconds, _report)
    except ValueError as error:
        print(f"bridge: {error}", file=sys.stderr)
        return 2
    app = create_app(
        provider.offers,
        secrets.token_hex(),
        client_id=options.client_id,
        client_secret=options.client_secret,
    )
    if is_open:
        app.add_middleware(LoopbackNames())
    about = _ABOUT.format(provider=options.provider, notice=provider.notice)
    takes_any = options.client_id is None and options.client_secret is None
    credentials = ("me", "secret") if takes_any else ("YOUR_CLIENT_ID", "YOUR_CLIENT_SECRET")
    page = PageResource("Flight search bridge", about, time.time, credentials=credentials)
    app.add_route("/", page)
    if provider.notice:
        print(f"bridge: {provider.notice}", file=sys.stderr)
    return serve(Server((options.host, options.port), app, tls), "bridge", options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m bridge",
        description="A server that speaks the protocol of the Amadeus flight search API, with "
        "real offers of another provider. The provider's key is read from the environment: "
        "DUFFEL_ACCESS_TOKEN for duffel, IGNAV_API_KEY for ignav, or the file that the same name "
        "with _FILE at its end names.",
    )
    arguments.add_argument(
        "--provider", required=True, choices=sorted(FACTORIES), help="where the offers come from"
    )
    add_server_options(arguments, port=9091)
    arguments.add_argument(
        "--client-id",
        default=os.environ.get("BRIDGE_CLIENT_ID") or None,
        help="accept only this client id; required unless only this machine can connect; "
        "or set BRIDGE_CLIENT_ID",
    )
    arguments.add_argument(
        "--client-secret",
        default=os.environ.get("BRIDGE_CLIENT_SECRET") or None,
        help="accept only this client secret; required unless only this machine can connect; "
        "or set BRIDGE_CLIENT_SECRET, which does not show in the list of processes",
    )
    return arguments


def _report(call: Call) -> None:
    """Print a line about a call to the provider that failed."""
    if not call.failure:
        return
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = "" if call.status is None else f" status {call.status}"
    error = f" ({call.error})" if call.error else ""
    print(
        f"bridge: {now} {call.name}:{status} after {call.seconds:.1f} s: {call.failure}{error}",
        file=sys.stderr,
        flush=True,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
