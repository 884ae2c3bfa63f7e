"""A Redis, a sandbox and a Chromium for all tests of a process, which find them as new."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.support.servers.browser import browser, tab
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared_redis(_redis: RedisServer) -> RedisServer:
    """A Redis that is empty when a module begins, for services that its tests share."""
    _redis.client.flushall()
    return _redis


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A Redis that is empty."""
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared_sandbox(_sandbox: SandboxServer) -> SandboxServer:
    """An Amadeus that is well when a module begins, for services that its tests share."""
    _sandbox.clear()
    return _sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """An Amadeus without faults and with its counters at zero; well again for what comes after."""
    shared_sandbox.clear()
    yield shared_sandbox
    shared_sandbox.clear()


@pytest.fixture
def amadeus() -> Iterator[SandboxServer]:
    """An Amadeus of the test's own, where its tokens, limits or connections matter."""
    with SandboxServer() as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    with browser() as chromium:
        yield chromium


@pytest.fixture
def chrome(chromium: Chrome) -> Iterator[Chrome]:
    """A tab to which no other has left anything."""
    with tab(chromium) as chrome:
        yield chrome
