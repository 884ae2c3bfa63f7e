"""A service tested from outside: the one at BASE_URL, or one started here."""

import datetime as dt
import os
from collections.abc import Callable, Iterator

import httpx2
import pytest

from tests.support.servers.service import Service

Ask = Callable[..., httpx2.Response]


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    """The address of the service; tests know nothing else of it."""
    given = os.environ.get("BASE_URL")
    if given:
        yield given
        return
    with Service() as service:
        yield service.url


@pytest.fixture
def http(base_url: str) -> Iterator[httpx2.Client]:
    """A client of the service."""
    with httpx2.Client(base_url=base_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def price(http: httpx2.Client) -> Ask:
    """A function that requests the price from JFK to LAX; parameters can be changed."""

    def ask(**query: str) -> httpx2.Response:
        return http.get("/flights/price", params={"origin": "JFK", "destination": "LAX", **query})

    return ask


@pytest.fixture
def day(request: pytest.FixtureRequest) -> str:
    """A bookable day, different for most tests."""
    ahead = 20 + sum(request.node.name.encode()) % 300
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=ahead)).isoformat()
