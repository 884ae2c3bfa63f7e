"""A Redis and a sandbox for each test module; every test finds them empty and well."""

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> Iterator[RedisServer]:
    """A Redis that is empty, and is left so for whatever the next module starts."""
    shared_redis.client.flushall()
    yield shared_redis
    shared_redis.client.flushall()


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """An Amadeus without faults and with its counters at zero, and left so."""
    shared_sandbox.clear()
    yield shared_sandbox
    shared_sandbox.clear()


@pytest.fixture
def amadeus() -> Iterator[SandboxServer]:
    """An Amadeus of the test's own, where its tokens, limits or connections matter."""
    with SandboxServer() as server:
        yield server
