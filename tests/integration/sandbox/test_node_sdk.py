"""The official, unmodified Node SDK works with the sandbox. Runs if Node is installed.

TLS is needed: the SDK takes `ssl: false` for unset (`options.ssl || … || true`), so it cannot use
plain HTTP.
"""

import datetime as dt
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.servers.certificate import Authority
from tests.support.servers.sandbox_server import SandboxServer

VERSION = "11.0.0"
SCRIPT = Path(__file__).with_name("search.js")


@pytest.fixture(scope="module")
def modules(pytestconfig: pytest.Config) -> Path:
    """A folder with the SDK from the npm registry; kept between runs."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir(f"node-amadeus-{VERSION}")
    installed = folder / "node_modules" / "amadeus" / "package.json"
    if not installed.exists():
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
             "--prefix", folder, f"amadeus@{VERSION}"],
            check=True, capture_output=True, timeout=50,
        )  # fmt: skip
    assert json.loads(installed.read_text())["version"] == VERSION
    return folder / "node_modules"


def test_node_sdk_searches_and_gets_an_error(modules: Path, authority: Authority) -> None:
    date = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30))
    trust = {"NODE_PATH": str(modules), "NODE_EXTRA_CA_CERTS": str(authority.path)}
    with SandboxServer("--certfile", str(authority.certificate())) as server:
        done = subprocess.run(
            ["node", SCRIPT, str(server.port), date],
            env={**os.environ, **trust},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["got"]) == 2
    assert answer["posted"] == answer["got"]
    assert answer["refused"]["code"] == "ClientError"
    assert [error["code"] for error in answer["refused"]["errors"]] == [477]
