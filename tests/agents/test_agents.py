"""The official SDKs of the Model Context Protocol use the tools; its conformance suite passes."""

import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.service import Service, some_day

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
PYTHON = HERE.parents[1] / ".venv-agents" / "bin" / "python"
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PINNED_NODE = MODULES / f"node-{platform.system().lower()}-{MACHINE}" / "bin" / "node"
# The suite needs Node.js 22. It is pinned for Linux.
NODE = PINNED_NODE if platform.system() == "Linux" else Path("node")
REVISION, EARLIER = "2026-07-28", "2025-11-25"
CLIENTS = {
    "python": (PYTHON, HERE / "python_client.py"),
    "typescript": (NODE, HERE / "typescript_client.mjs"),
}
SCENARIOS = (
    ("0.1", EARLIER, "server-initialize"),
    ("0.1", EARLIER, "ping"),
    ("0.1", EARLIER, "tools-list"),
    ("0.1", EARLIER, "dns-rebinding-protection"),
    ("0.2", EARLIER, "server-initialize"),
    ("0.2", EARLIER, "ping"),
    ("0.2", EARLIER, "tools-list"),
    ("0.2", REVISION, "tools-list"),
    ("0.2", REVISION, "dns-rebinding-protection"),
    ("0.2", REVISION, "http-header-validation"),
    ("0.2", REVISION, "server-stateless"),
    ("0.2", REVISION, "caching"),
)
# Checks that need the suite's own tools, or features other than tools.
NOT_APPLICABLE = {
    "server-stateless": {
        "sep-2575-server-rejects-undeclared-capability",
        "sep-2575-missing-capability-http-400",
        "sep-2575-server-no-log-without-loglevel",
        "sep-2575-http-server-no-independent-requests-on-stream",
    },
    "caching": {
        "sep-2549-prompts-list-caching-hints",
        "sep-2549-resources-list-caching-hints",
        "sep-2549-resources-templates-list-caching-hints",
    },
}

pytestmark = pytest.mark.agents


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(web_concurrency=2) as service:
        yield service


@pytest.mark.parametrize("revision", [REVISION, EARLIER])
@pytest.mark.parametrize("client", CLIENTS)
def test_official_client_lists_and_calls_the_tools(
    service: Service, client: str, revision: str
) -> None:
    mode = REVISION if revision == REVISION else "legacy"
    price = service.price().json()["data"]["price"]

    run = subprocess.run(
        [*CLIENTS[client], f"{service.url}/mcp", mode, some_day()],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "revision": revision,
        "tools": ["cheapest_price", "cheapest_offer", "price_calendar"],
        "price": price,
        "offer": price,
        "month": price,
        "error": "invalid-request",
        "unknown": -32602,
    }


@pytest.mark.parametrize(("suite", "revision", "scenario"), SCENARIOS)
def test_scenario_of_the_conformance_suite_passes(
    service: Service, tmp_path: Path, suite: str, revision: str, scenario: str
) -> None:
    program = MODULES / f"conformance-{suite}" / "dist" / "index.js"
    version = ("--spec-version", revision) if suite != "0.1" else ()
    url = f"http://localhost:{service.port}/mcp"

    run = subprocess.run(
        [NODE, program, "server", "--url", url, "--scenario", scenario, *version, "-o", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    (found,) = tmp_path.rglob("checks.json")
    checks: list[dict[str, Any]] = json.loads(found.read_text())
    failed = {check["id"] for check in checks if check["status"] in ("FAILURE", "WARNING")}
    assert "SUCCESS" in {check["status"] for check in checks}
    assert failed == NOT_APPLICABLE.get(scenario, set()), run.stdout
