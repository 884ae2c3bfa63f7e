"""What Amadeus gives no token for is not asked again and again."""

import pytest

from api.errors import AmadeusMisconfigured
from api.services.deadline import Deadline
from api.services.read_through import ReadThrough
from api.services.stores import MemoryStore
from api.services.token_vault import Credentials, TokenVault
from api.services.transport import Call, Reply


def test_the_first_minute_has_six_calls_whatever_the_traffic() -> None:
    now, called_after = 0.0, []

    def refuse(_call: Call, _deadline: Deadline) -> Reply:
        called_after.append(int(now))
        return Reply(401, "application/json", b"{}")

    store = MemoryStore(clock=lambda: 1_800_000_000 + now)
    credentials = Credentials("id", "of another host")
    vault = TokenVault(store, ReadThrough(store, patience=5), refuse, "https://x", credentials)
    while now < 60:
        with pytest.raises(AmadeusMisconfigured):
            vault.token(Deadline(5))
        now += 0.1

    assert called_after == [0, 1, 3, 7, 15, 31]
