"""The official, unmodified Node SDK works with the sandbox.

TLS is needed: the SDK takes `ssl: false` for unset (`options.ssl || … || true`), so it cannot use
plain HTTP.
"""

import datetime as dt
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm import installed
from tests.support.providers.two_offers import TWO_OFFERS
from tests.support.servers.bridge_server import BridgeServer, ProviderServer
from tests.support.servers.certificate import Authority
from tests.support.servers.sandbox_server import SandboxServer

VERSION = "11.0.0"
SCRIPT = Path(__file__).with_name("search.js")


@pytest.fixture(scope="module")
def modules(pytestconfig: pytest.Config) -> Path:
    return installed(pytestconfig, "amadeus", VERSION)


def search(server: SandboxServer | BridgeServer, modules: Path, authority: Authority) -> Any:
    """What search.js gets from a server: offers by GET and by POST, and a refusal."""
    date = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30))
    trust = {"NODE_PATH": str(modules), "NODE_EXTRA_CA_CERTS": str(authority.path)}
    done = subprocess.run(
        ["node", SCRIPT, str(server.port), date],
        env={**os.environ, **trust},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_sdk_searches_and_gets_an_error(modules: Path, authority: Authority) -> None:
    with SandboxServer("--certfile", str(authority.certificate())) as server:
        answer = search(server, modules, authority)
    assert len(answer["got"]) == 2
    assert answer["posted"] == answer["got"]
    assert answer["refused"]["code"] == "ClientError"
    assert [error["code"] for error in answer["refused"]["errors"]] == [477]


@pytest.mark.parametrize("stand_in", TWO_OFFERS.values(), ids=TWO_OFFERS.keys())
def test_node_sdk_searches_through_the_bridge(
    modules: Path, authority: Authority, stand_in: Callable[[], Any]
) -> None:
    certificate = str(authority.certificate())
    with (
        ProviderServer(stand_in()) as provider,
        BridgeServer(provider, "--certfile", certificate) as server,
    ):
        answer = search(server, modules, authority)
    assert [one["price"]["grandTotal"] for one in answer["got"]] == ["189.40", "306.85"]
    assert answer["posted"] == answer["got"]
    assert [error["code"] for error in answer["refused"]["errors"]] == [477]
