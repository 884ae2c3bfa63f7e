"""The server programs."""

import pytest

from tests.support.servers.redis_server import REDIS, valkey


@pytest.fixture(params=["redis", "valkey"])
def program(request: pytest.FixtureRequest) -> str:
    """The server program."""
    return valkey() if request.param == "valkey" else REDIS
