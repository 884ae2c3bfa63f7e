"""Session-wide Redis, sandbox and browser, reset for every test."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.support.npm import installed
from tests.support.servers.browser import browser, tab
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer

AXE_VERSION = "4.14.1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use Chromium, before options select tests by their marks."""
    for item in items:
        if isinstance(item, pytest.Function) and "chromium" in item.fixturenames:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared_redis(_redis: RedisServer) -> RedisServer:
    """A Redis that is empty at the start of a module, for services that its tests share."""
    _redis.client.flushall()
    return _redis


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared_sandbox(_sandbox: SandboxServer) -> SandboxServer:
    """A sandbox without faults at the start of a module, for services that its tests share."""
    _sandbox.clear()
    return _sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """A sandbox without faults and with its counters at zero; reset after the test."""
    shared_sandbox.clear()
    yield shared_sandbox
    shared_sandbox.clear()


@pytest.fixture
def amadeus() -> Iterator[SandboxServer]:
    """A sandbox for this test alone, for tests of its tokens, limits or connections."""
    with SandboxServer() as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config) -> str:
    """The source of axe-core."""
    modules = installed(pytestconfig, "axe-core", AXE_VERSION)
    return (modules / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def chrome(chromium: Chrome) -> Iterator[Chrome]:
    """A fresh browser tab without state of other tabs."""
    with tab(chromium) as chrome:
        yield chrome
