"""A token that Amadeus rejected is not used again, however late its end is heard of."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from api.services.deadline import Deadline
from api.services.read_through import ReadThrough
from api.services.stores import MemoryStore
from api.services.token_vault import Credentials, TokenVault
from api.services.transport import Call, Reply


class LateStore(MemoryStore):
    """Its end has not been heard of yet."""

    def drop(self, key: str, fetched_at: float) -> None:
        pass


def test_who_comes_while_it_is_replaced_waits_for_the_new_one() -> None:
    numbers, replacing, go_on = count(1), threading.Event(), threading.Event()

    def call(_call: Call, _deadline: Deadline) -> Reply:
        number = next(numbers)
        if number > 1:
            replacing.set()
            go_on.wait(5)
        body = f'{{"access_token": "token-{number}", "expires_in": 1799}}'.encode()
        return Reply(200, "application/json", body)

    store = LateStore()
    reader = ReadThrough(store, patience=5)
    vault = TokenVault(store, reader, call, "https://x", Credentials("id", "secret"))
    rejected = vault.token(Deadline(5)).value
    with ThreadPoolExecutor() as threads:
        first = threads.submit(vault.replace, rejected, Deadline(5))
        replacing.wait(5)
        second = threads.submit(vault.replace, rejected, Deadline(5))
        third = threads.submit(vault.token, Deadline(5))
        go_on.set()
        assert {one.result().value for one in (first, second, third)} == {"token-2"}
