"""What Redis needs for so many prices, what a worker's copy holds, and where the pace binds.

    python -m bench.sizing [PRICES]

fills a Redis of its own with a million entries like one that the service stored, and counts.
"""

import sys
from collections.abc import Iterator
from itertools import islice, product
from typing import Final, cast

from api.environments import AMADEUS_RATES
from api.services.pacing import HEADROOM
from api.services.stores import MemoryStore
from api.settings import Settings
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service

PRICES: Final = 1_000_000
BATCH: Final = 10_000
LIFE_MS: Final = 3_600_000
LETTERS: Final = "ABCDEFGHIJ"


def main() -> None:
    """Print the figures of docs/operations.md."""
    prices = int(sys.argv[1]) if len(sys.argv) > 1 else PRICES
    with RedisServer() as redis:
        key, value = _one_that_the_service_stored(redis)
        before = _bytes_used(redis)
        _fill(redis, key, value, prices)
        used = _bytes_used(redis) - before
    print(
        f"{prices:,} prices in Redis: {used / 2**20:,.0f} MB, {used / prices:,.0f} bytes each,"
        f" of which the key is {len(key)} and the value {len(value)}"
    )
    body = value.partition(b"\n")[2]
    print(f"a worker's copy: {_held_by_a_copy(body):,} prices, those read last")
    ttl = Settings().cache_ttl
    for pace in sorted(set(AMADEUS_RATES.values())):
        kept = pace / HEADROOM * ttl
        print(f"{pace:.0f} calls a second: {kept:,.0f} prices can be kept younger than {ttl} s")


def _one_that_the_service_stored(redis: RedisServer) -> tuple[str, bytes]:
    with SandboxServer() as sandbox, Service.on(sandbox, redis_url=redis.url) as service:
        service.price().raise_for_status()
    (key,) = redis.keys("*{price|*")
    return key.decode(), redis.get(key)


def _fill(redis: RedisServer, key: str, value: bytes, prices: int) -> None:
    for names in _batches(islice(_like(key), prices)):
        pipeline = redis.client.pipeline(transaction=False)
        for name in names:
            pipeline.set(name, value, px=LIFE_MS)
        pipeline.execute()


def _like(key: str) -> Iterator[str]:
    """Keys of other routes, as long as this one."""
    for letters in product(LETTERS, repeat=6):
        route = "".join(letters)
        yield key.replace("|JFK|LAX|", f"|{route[:3]}|{route[3:]}|")


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, BATCH)):
        yield batch


def _held_by_a_copy(body: bytes) -> int:
    store = MemoryStore()
    keys = [str(number) for number in range(100_000)]
    for key in keys:
        store.put(key, "", body, store.now(), 600, 3600)
    return sum(store.get(key) is not None for key in keys)


def _bytes_used(redis: RedisServer) -> int:
    return cast("dict[str, int]", redis.client.info("memory"))["used_memory"]


if __name__ == "__main__":
    main()
