from collections.abc import Iterator

import pytest

from tests.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxServer]:
    """One sandbox server for all tests of this folder; use `server`, which tidies up."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(running: SandboxServer) -> Iterator[SandboxServer]:
    """A sandbox server without faults, limits or counts from before."""
    running.clear()
    yield running
    running.clear()
    running.settings(token_life=1799, rate_limit="none", quota=None, latency=0)
