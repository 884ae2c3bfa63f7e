"""A rejected token is not used again, even by workers that learn of the rejection late."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.request import Request

import pytest
from prometheus_client import Gauge

from api.errors import AmadeusMisconfigured
from api.services.amadeus.replies import Reply
from api.services.amadeus.sdk_adapter import SdkHttpAdapter
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import TokenProvider
from api.services.amadeus.transport import Call
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline, Terms, current_terms
from api.telemetry.metrics import Metrics

OURS = Credentials("id", "secret")


class LateStore(MemoryStore):
    """A store that has not learned of drops yet."""

    def drop(self, key: str, fetched_at: float) -> None:
        pass


class BusyStore(MemoryStore):
    """A store that runs `meanwhile` during a drop."""

    meanwhile: Callable[[], object]

    def drop(self, key: str, fetched_at: float) -> None:
        super().drop(key, fetched_at)
        self.meanwhile()


class KeyedStore(MemoryStore):
    """A store that tells under which key an entry was put last."""

    key: str

    def put(self, key: str, *args: Any, **kwargs: Any) -> Entry:
        self.key = key
        return super().put(key, *args, **kwargs)


def provider_on(
    store: MemoryStore, call: Callable[[Call, Deadline], Reply], credentials: Credentials = OURS
) -> TokenProvider:
    return TokenProvider(
        store, ReadThrough(store, fetch_timeout=5), call, "https://x", credentials, Metrics()
    )


def token_reply(number: int) -> Reply:
    body = f'{{"access_token": "token-{number}", "expires_in": 1799}}'.encode()
    return Reply(200, "application/json", body)


def test_concurrent_caller_waits_for_replacement_token() -> None:
    numbers, replacing, go_on = count(1), threading.Event(), threading.Event()

    def call(_call: Call, _deadline: Deadline) -> Reply:
        number = next(numbers)
        if number > 1:
            replacing.set()
            go_on.wait(5)
        return token_reply(number)

    provider = provider_on(LateStore(Metrics()), call)
    rejected = provider.token(Deadline(5)).value
    with ThreadPoolExecutor() as threads:
        first = threads.submit(provider.replace, rejected, Deadline(5))
        replacing.wait(5)
        second = threads.submit(provider.replace, rejected, Deadline(5))
        third = threads.submit(provider.token, Deadline(5))
        go_on.set()
        assert {one.result().value for one in (first, second, third)} == {"token-2"}


def test_successor_of_a_rejected_token_is_kept() -> None:
    numbers, store = count(1), BusyStore(Metrics())
    provider = provider_on(store, lambda *_: token_reply(next(numbers)))
    rejected = provider.token(Deadline(5)).value
    store.meanwhile = lambda: provider.replace(rejected, Deadline(5))
    assert provider.replace(rejected, Deadline(5)).value == "token-2"

    with pytest.raises(AmadeusMisconfigured):
        provider.replace("token-2", Deadline(5))


def test_upstream_that_rejects_every_token_is_called_with_growing_pauses() -> None:
    now, called_after = 0.0, []

    def call(_call: Call, _deadline: Deadline) -> Reply:
        called_after.append(int(now))
        return token_reply(len(called_after))

    provider = provider_on(MemoryStore(Metrics(), clock=lambda: 1_800_000_000 + now), call)
    while now < 200:
        token = provider.token(Deadline(5)).value
        with suppress(AmadeusMisconfigured):
            provider.replace(token, Deadline(5))
        now += 0.25

    assert called_after == [0, 0, 10, 30, 70, 130, 190]


def test_replacement_that_is_revoked_as_well_is_replaced_once_more() -> None:
    """Replicas that could not share a token have one each, and Amadeus may revoke both."""
    numbers, store = count(1), KeyedStore(Metrics())
    ours, other = (provider_on(store, lambda *_: token_reply(next(numbers))) for _ in range(2))

    def search(call: Call, _terms: Terms) -> Reply:
        if call.headers["Authorization"] == "Bearer token-3":
            return Reply(200, "application/json", b"")
        return Reply(401, "application/json", b'{"errors": [{"code": 38193}]}')

    token = ours.token(Deadline(5))
    store.drop(store.key, token.entry.fetched_at)
    assert other.token(Deadline(5)).value == "token-2"
    current_terms.set(Terms(Deadline(5)))
    request = Request("https://x/v2", headers={"Authorization": f"Bearer {token.value}"})

    assert SdkHttpAdapter(ours, search, Metrics())(request).status == 200
    assert next(numbers) == 4


def test_revoked_token_that_worked_is_replaced_within_the_request() -> None:
    now, numbers, revoked = 0.0, count(1), ""

    def search(call: Call, _terms: Terms) -> Reply:
        is_revoked = call.headers["Authorization"] == revoked
        error_reply = b'{"errors": [{"code": 38192}]}'
        return Reply(
            401 if is_revoked else 200, "application/json", error_reply if is_revoked else b""
        )

    store = MemoryStore(Metrics(), clock=lambda: 1_800_000_000 + now)
    provider = provider_on(store, lambda *_: token_reply(next(numbers)))
    adapter = SdkHttpAdapter(provider, search, Metrics())
    current_terms.set(Terms(Deadline(60)))
    while now < 300:
        token = f"Bearer {provider.token(Deadline(5)).value}"
        statuses = [adapter(Request("https://x/v2", headers={"Authorization": token})).status]
        revoked = token
        now += 15
        statuses += [adapter(Request("https://x/v2", headers={"Authorization": token})).status]
        assert statuses == [200, 200]

    assert next(numbers) == 22


def test_clock_set_back_causes_one_token_call_for_the_fleet() -> None:
    now, numbers = 10_000.0, count(1)
    store = MemoryStore(Metrics(), clock=lambda: 1_800_000_000 + now)
    fleet = [provider_on(store, lambda *_: token_reply(next(numbers))) for _ in range(4)]
    rejected = {provider.token(Deadline(5)).value for provider in fleet}.pop()
    now += 1
    assert {provider.replace(rejected, Deadline(5)).value for provider in fleet} == {"token-2"}
    now -= 3600

    with ThreadPoolExecutor(20) as threads:
        tokens = list(threads.map(lambda provider: provider.token(Deadline(5)).value, fleet * 10))

    assert set(tokens) == {"token-3"}


def test_token_encrypted_with_another_secret_is_replaced() -> None:
    numbers, store = count(1), MemoryStore(Metrics())
    rotated = Credentials("id", "rotated")
    old, new = (
        provider_on(store, lambda *_: token_reply(next(numbers)), credentials)
        for credentials in (OURS, rotated)
    )

    used = [provider.token(Deadline(5)).value for provider in (old, new, old, new)]

    assert used == ["token-1", "token-2", "token-1", "token-2"]


def test_metric_drops_a_token_that_cannot_be_replaced() -> None:
    replies = iter([token_reply(1), Reply(401, "application/json", b"{}")])
    store, metrics = MemoryStore(Metrics()), Metrics()
    reader = ReadThrough(store, fetch_timeout=5)
    provider = TokenProvider(store, reader, lambda *_: next(replies), "https://x", OURS, metrics)
    rejected = provider.token(Deadline(5)).value
    assert value(metrics.token_life) > 1000

    with pytest.raises(AmadeusMisconfigured):
        provider.replace(rejected, Deadline(5))

    assert (value(metrics.token_fetched_at), value(metrics.token_life)) == (0, 0)


def value(gauge: Gauge) -> float:
    (family,) = gauge.collect()
    (sample,) = family.samples
    return sample.value
