"""Measures the memory of prices in Redis and the capacity of a worker's copy.

It fills a separate Redis with copies of an entry that the service stored. It also computes how many
prices the rate limit of Amadeus allows to keep fresh.
"""

import tracemalloc
from collections.abc import Iterator
from itertools import islice, product
from typing import Final, cast

from api.services.amadeus.pacing import interval
from api.services.cache.memory_store import MemoryStore
from api.settings import Settings
from api.settings.environments import AMADEUS_RATES
from api.telemetry.metrics import Metrics
from bench.report import OPERATIONS, options, publish
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

BATCH: Final = 10_000
LIFE_MS: Final = 3_600_000
MORE_THAN_A_COPY: Final = 20_000
LETTERS: Final = "ABCDEFGHIJ"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--prices", type=int, default=1_000_000)
    wanted = parser.parse_args()
    prices: int = wanted.prices
    with RedisServer() as redis:
        key, value = stored_entry(redis)
        before = _bytes_used(redis)
        _fill(redis, key, value, prices)
        used = _bytes_used(redis) - before
    ttl = Settings().cache_ttl
    copied, bytes_each = _copy_of(key.partition("{")[2].rstrip("}"), value.partition(b"\n")[2])
    in_redis = f"{used / 2**20:,.0f} MB, {used / prices:,.0f} bytes each"
    lines = [
        f"{prices:,} prices in Redis: {in_redis}, key {len(key)} and value {len(value)}",
        f"a worker's copy: {copied:,} prices, {bytes_each:,.0f} bytes each, those read last",
    ]
    for pace in sorted(set(AMADEUS_RATES.values())):
        kept = ttl / interval(pace)
        lines.append(
            f"{pace:.0f} calls a second: {kept:,.0f} prices can be kept younger than {ttl} s"
        )
    text = "\n".join(lines)
    publish("sizing", f"```\n{text}\n```", write=wanted.write, page=OPERATIONS)


def stored_entry(redis: RedisServer) -> tuple[str, bytes]:
    """Return the key and the value of a price that the service stored."""
    with SandboxServer() as sandbox, Service.on(sandbox, redis_url=redis.url) as service:
        service.price().raise_for_status()
    (key,) = redis.keys("*{price|*")
    return key.decode(), redis.get(key)


def _fill(redis: RedisServer, key: str, value: bytes, prices: int) -> None:
    for names in _batches(islice(_similar_keys(key), prices)):
        pipeline = redis.client.pipeline(transaction=False)
        for name in names:
            pipeline.set(name, value, px=LIFE_MS)
        pipeline.execute()


def _similar_keys(key: str) -> Iterator[str]:
    """Yield keys of other routes with the same length."""
    for letters in product(LETTERS, repeat=6):
        route = "".join(letters)
        yield key.replace("|JFK|LAX|", f"|{route[:3]}|{route[3:]}|")


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, BATCH)):
        yield batch


def _copy_of(key: str, body: bytes) -> tuple[int, float]:
    """Return how many prices a copy holds, and the memory of each."""
    store = MemoryStore(Metrics())
    tracemalloc.start()
    for name in islice(_similar_keys(key), MORE_THAN_A_COPY):
        store.put(name, "", bytes(bytearray(body)), store.now(), 600, 3600)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    count = sum(
        store.get(name) is not None for name in islice(_similar_keys(key), MORE_THAN_A_COPY)
    )
    return count, used / count


def _bytes_used(redis: RedisServer) -> int:
    return cast("dict[str, int]", redis.client.info("memory"))["used_memory"]


if __name__ == "__main__":
    main()
