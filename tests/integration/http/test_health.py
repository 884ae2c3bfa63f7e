"""Probes against a real worker, Redis and Amadeus."""

from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service


def test_ping_uses_neither_redis_nor_amadeus(
    sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    with Service.on(sandbox, redis_url=redis_server.url, web_concurrency=2) as service:
        eventually(lambda: len(service.log("service.warmed")) == 2)
        sandbox.clear()
        redis_server.forget_commands()
        answers = [service.get("/flights/ping").status_code for _ in range(20)]
        asked = redis_server.commands()
        calls = sandbox.counters()

    assert answers == [200] * 20
    assert asked == set()
    assert calls["search"]["calls"] == calls["token"]["calls"] == 0
