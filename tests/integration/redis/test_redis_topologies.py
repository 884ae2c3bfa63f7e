"""Redis Cluster, Sentinel, TLS, ACLs. `make test ARGS="-k topologies -rP"` prints the figures."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.support.clients.load import Load
from tests.support.metrics_page import value
from tests.support.processes import eventually
from tests.support.servers.certificate import Authority
from tests.support.servers.redis_server import REDIS, RedisServer, valkey
from tests.support.servers.redis_tls import Tls
from tests.support.servers.redis_topology import ACL_FILE, LOGIN, USERS, RedisCluster, SentinelRedis
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

WARM: Final = 40  # requests, after which most routes are cached


@pytest.fixture(params=["redis", "valkey"])
def program(request: pytest.FixtureRequest) -> str:
    """The server program."""
    return valkey() if request.param == "valkey" else REDIS


@pytest.mark.alone
def test_resharding_a_cluster_under_load_fails_no_request(sandbox: SandboxServer) -> None:
    with RedisCluster() as cluster, Service.on(sandbox, redis_url=cluster.url) as service:
        # With so many routes, few requests are hits in the workers' copies.
        with Load(service.url, per_second=10, routes=2000) as load:
            eventually(lambda: len(load.outcomes) > WARM)
            cluster.reshard(2000)
            eventually(cluster.redirections)
        _print_figures(f"Redis cluster, 2000 slots moved: {load.summary()}")
        assert load.failed() == []
        assert service.log("cache.unavailable") == []
        assert cluster.keys("*price*")
        assert cluster.denied() == []


def test_cluster_failover_under_load_fails_no_request(sandbox: SandboxServer, program: str) -> None:
    with (
        RedisCluster(program=program) as cluster,
        Service.on(sandbox, redis_url=cluster.url) as service,
    ):
        with _some_load(service) as load:
            eventually(lambda: len(load.outcomes) > WARM)
            cluster.owner_of(slot=0).kill()  # the node that sends the announcements to the workers
            _every_worker_recovers(service)
            known = len(load.outcomes)
            eventually(lambda: len(load.outcomes) > known + WARM)
        _print_figures(
            f"{_name(program)} cluster, a master killed: {load.summary()}; {_outages(service)}"
        )
        assert load.failed() == []
        assert cluster.denied() == []


def test_sentinel_failover_under_load_fails_no_request(
    sandbox: SandboxServer, program: str
) -> None:
    with (
        SentinelRedis(program=program) as several,
        Service.on(sandbox, redis_url=several.url) as service,
    ):
        with _some_load(service) as load:
            eventually(lambda: len(load.outcomes) > WARM)
            several.master.kill()
            _every_worker_recovers(service)
            known = len(load.outcomes)
            eventually(lambda: len(load.outcomes) > known + WARM)
        _print_figures(
            f"{_name(program)} Sentinel, the master killed: {load.summary()}; {_outages(service)}"
        )
        assert load.failed() == []
        # One of the Sentinels may learn of it later than the service.
        eventually(lambda: several.master_now() is not several.master)
        assert several.master_now().keys("*price*")
        assert several.denied() == []


@pytest.mark.parametrize("topology", [RedisCluster, SentinelRedis])
def test_nocache_price_reaches_every_worker_after_a_failover(
    topology: type[RedisCluster | SentinelRedis], sandbox: SandboxServer, tmp_path: Path
) -> None:
    with (
        topology(Tls.made_in(tmp_path)) as servers,
        Service.on(sandbox, redis_url=servers.url, web_concurrency=1) as one,
        Service.on(sandbox, redis_url=servers.url, web_concurrency=1) as other,
    ):
        _first_server(servers).kill()
        for service in (one, other):
            _every_worker_recovers(service)
        one.price()
        eventually(lambda: int(other.price().headers["Age"]) >= 2)
        assert one.price(nocache="1").headers["X-Cache"] == "bypass"
        eventually(lambda: other.price().headers["Age"] == "0", within=1)
        assert other.price().headers["X-Cache"] == "hit"


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
        with pytest.raises(redis.AuthenticationError):
            server.client.ping()
        for user in ("default", "replica", "sentinel"):
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=server.port, username=user, password="change-me").ping()
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


def _some_load(service: Service) -> Load:
    """A load that the machine can take beside other tests and six servers."""
    return Load(service.url, per_second=20, routes=30)


def _print_figures(figures: str) -> None:
    print(figures)  # noqa: T201 - docs/operations.md tells them


def _name(program: str) -> str:
    return "Redis" if program == REDIS else "Valkey"


def _set_user(server: RedisServer, rules: list[str]) -> None:
    server.client.execute_command(  # type: ignore[no-untyped-call]
        "ACL SETUSER", "flight-price-api", "reset", "on", ">secret", *rules
    )


def _first_server(servers: RedisCluster | SentinelRedis) -> RedisServer:
    return servers.owner_of(slot=0) if isinstance(servers, RedisCluster) else servers.master


def _every_worker_recovers(service: Service) -> None:
    workers = len(service.workers())
    eventually(lambda: len(service.log("cache.unavailable")) >= workers)
    eventually(lambda: value(service, "redis_down_workers") == 0)


def _outages(service: Service) -> str:
    seconds = [line["outage_s"] for line in service.log("cache.recovered")]
    return f"outages seen by the {len(service.workers())} workers: {seconds} s"
