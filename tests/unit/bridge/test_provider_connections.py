"""The connections of a worker to a provider."""

from typing import Any

import httpx2
import pytest

from api.services.cache.fetches import MAX_FETCHES
from api.settings import Settings
from api.upstream import provider_connections
from tests.support.providers.two_offers import TWO_OFFERS


@pytest.mark.parametrize(("name", "calls"), [("duffel", 1), ("ignav", 6)])
def test_pool_suffices_for_the_calls_of_every_fetch(
    name: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(httpx2, "HTTPTransport", lambda **options: made.update(options))
    account = TWO_OFFERS[name]().environment("http://provider")
    provider_connections(
        Settings(amadeus_environment=name, **{key.lower(): text for key, text in account.items()})
    )
    assert made["limits"].max_connections == MAX_FETCHES * calls
