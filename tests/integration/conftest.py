"""A Redis and a sandbox for each test module; every test finds them empty and well."""

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """A Redis that is empty."""
    _shared_redis.client.flushall()
    return _shared_redis


@pytest.fixture(scope="session")
def _shared_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(_shared_sandbox: SandboxServer) -> SandboxServer:
    """An Amadeus without faults and with its counters at zero."""
    _shared_sandbox.clear()
    return _shared_sandbox
