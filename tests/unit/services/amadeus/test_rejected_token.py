"""A token that Amadeus rejected is not used again, however late its end is heard of."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from urllib.request import Request

import pytest
from prometheus_client import Gauge

from api.errors import AmadeusMisconfigured
from api.services.amadeus.replies import Reply
from api.services.amadeus.sdk_adapter import SdkSeam
from api.services.amadeus.token_provider import Credentials, TokenVault
from api.services.amadeus.transport import Call
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline, current_deadline
from api.telemetry import metrics

OURS = Credentials("id", "secret")


class LateStore(MemoryStore):
    """Its end has not been heard of yet."""

    def drop(self, key: str, fetched_at: float) -> None:
        pass


class BusyStore(MemoryStore):
    """Somebody else comes while it drops something."""

    meanwhile: Callable[[], object]

    def drop(self, key: str, fetched_at: float) -> None:
        super().drop(key, fetched_at)
        self.meanwhile()


def vault_on(
    store: MemoryStore, call: Callable[[Call, Deadline], Reply], credentials: Credentials = OURS
) -> TokenVault:
    return TokenVault(store, ReadThrough(store, patience=5), call, "https://x", credentials)


def token_reply(number: int) -> Reply:
    body = f'{{"access_token": "token-{number}", "expires_in": 1799}}'.encode()
    return Reply(200, "application/json", body)


def test_who_comes_while_it_is_replaced_waits_for_the_new_one() -> None:
    numbers, replacing, go_on = count(1), threading.Event(), threading.Event()

    def call(_call: Call, _deadline: Deadline) -> Reply:
        number = next(numbers)
        if number > 1:
            replacing.set()
            go_on.wait(5)
        return token_reply(number)

    vault = vault_on(LateStore(), call)
    rejected = vault.token(Deadline(5)).value
    with ThreadPoolExecutor() as threads:
        first = threads.submit(vault.replace, rejected, Deadline(5))
        replacing.wait(5)
        second = threads.submit(vault.replace, rejected, Deadline(5))
        third = threads.submit(vault.token, Deadline(5))
        go_on.set()
        assert {one.result().value for one in (first, second, third)} == {"token-2"}


def test_its_successor_is_not_replaced_as_well_whoever_fetched_it() -> None:
    numbers, store = count(1), BusyStore()
    vault = vault_on(store, lambda *_: token_reply(next(numbers)))
    rejected = vault.token(Deadline(5)).value
    store.meanwhile = lambda: vault.replace(rejected, Deadline(5))
    assert vault.replace(rejected, Deadline(5)).value == "token-2"

    with pytest.raises(AmadeusMisconfigured):
        vault.replace("token-2", Deadline(5))


def test_an_upstream_that_refuses_every_token_is_asked_for_one_ever_more_seldom() -> None:
    now, called_after = 0.0, []

    def call(_call: Call, _deadline: Deadline) -> Reply:
        called_after.append(int(now))
        return token_reply(len(called_after))

    vault = vault_on(MemoryStore(clock=lambda: 1_800_000_000 + now), call)
    while now < 200:
        token = vault.token(Deadline(5)).value
        with suppress(AmadeusMisconfigured):
            vault.replace(token, Deadline(5))
        now += 0.25

    assert called_after == [0, 0, 10, 30, 70, 130, 190]


def test_one_that_served_and_is_revoked_is_replaced_within_the_request_however_often() -> None:
    now, numbers, revoked = 0.0, count(1), ""

    def search(call: Call, _deadline: Deadline) -> Reply:
        is_revoked = call.headers["Authorization"] == revoked
        refusal = b'{"errors": [{"code": 38192}]}'
        return Reply(401 if is_revoked else 200, "application/json", refusal if is_revoked else b"")

    store = MemoryStore(clock=lambda: 1_800_000_000 + now)
    vault = vault_on(store, lambda *_: token_reply(next(numbers)))
    seam = SdkSeam(vault, search)
    current_deadline.set(Deadline(60))
    while now < 300:
        token = f"Bearer {vault.token(Deadline(5)).value}"
        statuses = [seam(Request("https://x/v2", headers={"Authorization": token})).status]
        revoked = token
        now += 15
        statuses += [seam(Request("https://x/v2", headers={"Authorization": token})).status]
        assert statuses == [200, 200]

    assert next(numbers) == 22


def test_a_clock_that_goes_back_behind_it_costs_the_fleet_one_call() -> None:
    now, numbers = 10_000.0, count(1)
    store = MemoryStore(clock=lambda: 1_800_000_000 + now)
    fleet = [vault_on(store, lambda *_: token_reply(next(numbers))) for _ in range(4)]
    rejected = {vault.token(Deadline(5)).value for vault in fleet}.pop()
    now += 1
    assert {vault.replace(rejected, Deadline(5)).value for vault in fleet} == {"token-2"}
    now -= 3600

    with ThreadPoolExecutor(20) as threads:
        tokens = list(threads.map(lambda vault: vault.token(Deadline(5)).value, fleet * 10))

    assert set(tokens) == {"token-3"}


def test_one_of_another_secret_is_replaced() -> None:
    numbers, store = count(1), MemoryStore()
    rotated = Credentials("id", "rotated")
    old, new = (
        vault_on(store, lambda *_: token_reply(next(numbers)), credentials)
        for credentials in (OURS, rotated)
    )

    used = [vault.token(Deadline(5)).value for vault in (old, new, old, new)]

    assert used == ["token-1", "token-2", "token-1", "token-2"]


def test_one_that_cannot_be_replaced_is_shown_no_longer() -> None:
    replies = iter([token_reply(1), Reply(401, "application/json", b"{}")])
    vault = vault_on(MemoryStore(), lambda *_: next(replies))
    rejected = vault.token(Deadline(5)).value
    assert value(metrics.TOKEN_LIFE) > 1000

    with pytest.raises(AmadeusMisconfigured):
        vault.replace(rejected, Deadline(5))

    assert (value(metrics.TOKEN_FETCHED_AT), value(metrics.TOKEN_LIFE)) == (0, 0)


def value(gauge: Gauge) -> float:
    (family,) = gauge.collect()
    (sample,) = family.samples
    return sample.value
