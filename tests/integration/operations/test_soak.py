"""A minute of mixed load and faults; `make soak` takes ten, and prints what it saw."""

import os
from typing import Final

import pytest

from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service
from tests.support.soak import SETTINGS, Findings, Growth, Soak

SECONDS: Final = float(os.environ.get("SOAK_SECONDS", "60"))
# The allowed growth of a process: copies of prices, pools, and the allocator's overhead.
MEGABYTES: Final = 10
FILES: Final = 20

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2 * SECONDS + 120)]


@pytest.fixture(scope="module")
def soaked() -> Findings:
    with (
        RedisServer() as redis,
        SandboxServer() as sandbox,
        Service.on(sandbox, redis_url=redis.url, **SETTINGS) as service,
    ):
        findings = Soak(service, redis, sandbox).run(SECONDS)
    print(findings.report())  # noqa: T201 - for docs/operations.md
    return findings


def test_requests_succeed_or_fail_as_the_current_fault_explains(
    soaked: Findings,
) -> None:
    assert soaked.unexpected() == []


def test_prices_are_never_older_than_allowed(soaked: Findings) -> None:
    assert soaked.oldest("hit") <= SETTINGS["cache_ttl"]
    assert soaked.oldest("miss", "bypass") <= SETTINGS["request_deadline"]
    assert soaked.oldest("stale") <= SETTINGS["cache_ttl"] + SETTINGS["cache_stale_ttl"]


def test_prices_are_never_older_than_their_age_header(soaked: Findings) -> None:
    assert soaked.false_ages() == []


def test_redis_keys_never_live_forever(soaked: Findings) -> None:
    assert soaked.endless_keys == set()


def test_locks_never_outlive_their_owner(soaked: Findings) -> None:
    assert soaked.forgotten_locks == set()


@pytest.mark.parametrize("process", ["master", "worker"])
def test_memory_and_open_files_do_not_grow(soaked: Findings, process: str) -> None:
    growth: Growth = getattr(soaked, process)
    assert growth.seconds > soaked.seconds / 3  # the shortest soak has two rounds
    assert growth.last.memory - growth.first.memory < MEGABYTES
    assert growth.last.files - growth.first.files < FILES


def test_service_logged_no_bug(soaked: Findings) -> None:
    assert soaked.bugs == []
