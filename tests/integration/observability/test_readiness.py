"""/readyz says whether the service can take requests, and which parts are degraded."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

CHECKS = {"cache", "token", "amadeus"}


@pytest.fixture(scope="module")
def service(shared_sandbox: SandboxServer, shared_redis: RedisServer) -> Iterator[Service]:
    """A service that is healthy at the start of a test."""
    shared_sandbox.clear()
    shared_redis.client.flushall()
    with Service.on(shared_sandbox, redis_url=shared_redis.url, web_concurrency=1) as service:
        yield service


def test_readiness_reports_the_age_of_each_check(service: Service, sandbox: SandboxServer) -> None:
    sandbox.revoke_tokens()
    service.price(nocache="1")  # makes the service fetch a token

    answer = service.get("/readyz").json()

    assert answer["status"] == "ready"
    assert {name: check["status"] for name, check in answer["checks"].items()} == dict.fromkeys(
        CHECKS, "ok"
    )
    assert all(0 <= check["age"] < 10 for check in answer["checks"].values())


def test_redis_health_is_checked_without_any_requests(service: Service) -> None:
    eventually(lambda: check(service, "cache")["age"] > 0.5)
    eventually(lambda: check(service, "cache")["age"] < 0.5)


def test_readiness_without_redis_is_degraded_and_200(
    service: Service, redis_server: RedisServer
) -> None:
    redis_server.kill()
    try:
        eventually(lambda: check(service, "cache")["status"] == "unavailable")
        answer = service.get("/readyz")
        price = service.price()
    finally:
        redis_server.start()

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert [answer.json()["checks"][name]["status"] for name in ("token", "amadeus")] == ["ok"] * 2
    assert price.status_code == 200
    eventually(lambda: service.get("/readyz").json()["status"] == "ready")


def check(service: Service, name: str) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/readyz").json()["checks"][name]
    return found
