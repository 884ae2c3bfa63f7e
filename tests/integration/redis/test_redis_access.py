"""The ways into a Redis: TLS with private certificates, and users with few permissions."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import eventually
from tests.support.servers.certificate import Authority
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.redis_tls import Tls
from tests.support.servers.redis_topology import ACL_FILE, LOGIN, USERS
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

AT_ONCE = Retry(NoBackoff(), 0)  # by default, a client repeats a refused login for seconds


def test_redis_can_be_reached_over_tls_with_private_certificates(
    sandbox: SandboxServer, tmp_path: Path
) -> None:
    with (
        RedisServer(tls=Tls.made_in(tmp_path)) as server,
        Service.on(sandbox, redis_url=server.url, web_concurrency=1) as service,
    ):
        assert service.price().status_code == 200
        eventually(lambda: server.keys("*price*"))
        assert service.log("cache.unavailable") == []


@pytest.mark.parametrize(
    ("made_for", "is_trusted", "reason"),
    [
        ("127.0.0.1", False, "certificate verify failed"),
        ("redis.example.com", True, "IP address mismatch"),
    ],
    ids=["of another authority", "for another name"],
)
def test_redis_with_an_untrusted_certificate_is_not_used(
    made_for: str, is_trusted: bool, reason: str, sandbox: SandboxServer, tmp_path: Path
) -> None:
    tls = Tls.made_in(tmp_path, made_for)
    with RedisServer(tls=tls) as server:
        trusted = tls if is_trusted else replace(tls, authority=Authority(tmp_path).path)
        url = f"rediss://127.0.0.1:{server.port}?{trusted.query}"
        with Service.on(sandbox, redis_url=url, web_concurrency=1) as service:
            assert service.price().status_code == 200
            assert server.keys() == []
            (said,) = service.log("cache.unavailable")
            assert reason in said["reason"]


def test_documented_redis_user_has_enough_permissions(sandbox: SandboxServer, program: str) -> None:
    with RedisServer(*USERS, program=program) as server:
        url = server.url.replace("://", f"://{LOGIN}@")
        settings = {"amadeus_rate_limit": 50, "client_rate_limit": 1000, "web_concurrency": 1}
        with Service.on(sandbox, redis_url=url, **settings) as service:
            assert service.price().status_code == 200
            assert service.price(nocache="1").status_code == 200
            sandbox.revoke_tokens()
            assert service.price(nocache="1").status_code == 200
            eventually(lambda: server.keys("*price*"))
            assert service.log("cache.unavailable") == []
        assert server.client.acl_log() == []


def test_acl_file_lets_no_other_user_in(sandbox: SandboxServer, program: str) -> None:
    with RedisServer("--aclfile", str(ACL_FILE), program=program) as server:
        for user in (None, "default", "replica", "sentinel"):
            password = "change-me" if user else None
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(
                    port=server.port, username=user, password=password, retry=AT_ONCE
                ).ping()
        url = server.url.replace("://", f"://{LOGIN}@")
        with Service.on(sandbox, redis_url=url, web_concurrency=1) as service:
            assert service.price().status_code == 200
            assert service.log("cache.unavailable") == []


@pytest.fixture(scope="module")
def rules() -> list[str]:
    """The service's rules in deploy/redis/users.acl, without its name and password."""
    (line,) = re.findall(
        r"^user flight-price-api on >change-me (.*)$", ACL_FILE.read_text(), re.MULTILINE
    )
    return str(line).split()


@pytest.fixture(scope="module")
def service_of_a_user(
    shared_redis: RedisServer, shared_sandbox: SandboxServer, rules: list[str]
) -> Iterator[Service]:
    """A service whose Redis user has the documented permissions."""
    _set_user(shared_redis, rules)
    url = shared_redis.url.replace("://", "://flight-price-api:secret@")
    with Service.on(shared_sandbox, redis_url=url, web_concurrency=1) as service:
        yield service


@pytest.mark.parametrize("missing", ["&fp:1:*", "~fp:1:*", "+publish", "+evalsha"])
def test_missing_redis_permission_is_an_outage_that_names_it(
    missing: str, redis_server: RedisServer, service_of_a_user: Service, rules: list[str]
) -> None:
    before = len(service_of_a_user.log("cache.unavailable"))
    _set_user(redis_server, [rule for rule in rules if rule != missing])
    assert service_of_a_user.price(nocache="1").status_code == 200
    said = eventually(lambda: service_of_a_user.log("cache.unavailable")[before:])
    assert re.search("permission|can't|cannot", said[0]["reason"])
    _set_user(redis_server, rules)
    eventually(lambda: len(service_of_a_user.log("cache.recovered")) > before)


def _set_user(server: RedisServer, rules: list[str]) -> None:
    server.client.execute_command(  # type: ignore[no-untyped-call]
        "ACL SETUSER", "flight-price-api", "reset", "on", ">secret", *rules
    )
