import pytest

from tests.support.clients.sandbox_client import InProcess


@pytest.fixture(scope="session")
def honest() -> InProcess:
    """A shared sandbox that no test changes: searches only."""
    return InProcess()


@pytest.fixture
def sandbox() -> InProcess:
    """A sandbox for this test alone."""
    return InProcess()
