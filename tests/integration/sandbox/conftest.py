import shutil
from collections.abc import Iterator

import pytest

from tests.support.servers.certificate import Authority
from tests.support.servers.sandbox_server import SandboxServer

NODE_TESTS = "test_node_sdk.py"
NO_NODE = f"{NODE_TESTS} is not run: node and npm are not installed"


def _node_is_here() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the Node tests if Node is not installed, and report it."""
    left_out = [item for item in items if item.path.name == NODE_TESTS and not _node_is_here()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _node_is_here():
        terminalreporter.write_line(NO_NODE, yellow=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that clients can trust."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxServer]:
    """One sandbox server for all tests of this folder; tests use `server`, which resets it."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(running: SandboxServer) -> Iterator[SandboxServer]:
    """A sandbox server with faults, limits and counters reset."""
    running.clear()
    yield running
    running.clear()
    running.settings(token_life=1799, rate_limit="none", quota=None, latency=0)
