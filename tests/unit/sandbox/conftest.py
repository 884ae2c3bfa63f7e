import pytest

from tests.support.clients.sandbox_client import InProcess


@pytest.fixture(scope="session")
def honest() -> InProcess:
    """A sandbox that nobody changes: searches only."""
    return InProcess()


@pytest.fixture
def sandbox() -> InProcess:
    """A sandbox of the test's own."""
    return InProcess()
