"""Redis Cluster and Sentinel. `make test ARGS="-k topologies -rP"` prints the figures."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.clients.load import Load
from tests.support.metrics_page import value
from tests.support.processes import eventually
from tests.support.servers.redis_server import REDIS, RedisServer
from tests.support.servers.redis_tls import Tls
from tests.support.servers.redis_topology import RedisCluster, SentinelRedis
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

pytestmark = pytest.mark.long
SLOTS: Final = 500  # moved from one master to another
WARM: Final = 40  # requests, after which most routes are cached
with_each_program = pytest.mark.parametrize(
    "program", ["redis", pytest.param("valkey", marks=pytest.mark.sweep)], indirect=True
)


def test_resharding_a_cluster_under_load_fails_no_request(sandbox: SandboxServer) -> None:
    with RedisCluster() as cluster, Service.on(sandbox, redis_url=cluster.url) as service:
        # With so many routes, few requests are hits in the workers' copies.
        with Load(service.url, per_second=10, routes=2000) as load:
            eventually(lambda: len(load.outcomes) > WARM)
            cluster.reshard(SLOTS)
            eventually(cluster.redirections)
        _print_figures(f"Redis cluster, {SLOTS} slots moved: {load.summary()}")
        assert load.failed() == []
        # On a busy machine Redis may be late. Nothing else may count as an outage.
        outages = [str(line["reason"]) for line in service.log("cache.unavailable")]
        assert [reason for reason in outages if not re.search("[Tt]ime|another call", reason)] == []
        assert cluster.keys("*price*")
        assert cluster.denied() == []


@with_each_program
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


@with_each_program
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
        assert one.price().json() == other.price().json()
        sandbox.fault("search", "odd_price", "111.00")
        fresh = one.price(nocache="1").json()
        assert fresh["data"]["price"].startswith("111 ")
        eventually(lambda: other.price().json() == fresh, within=1)
        assert other.price().headers["X-Cache"] == "hit"


def _some_load(service: Service) -> Load:
    """A load that the machine can take beside other tests and six servers."""
    return Load(service.url, per_second=20, routes=30)


def _print_figures(figures: str) -> None:
    print(figures)  # noqa: T201 - docs/operations.md tells them


def _name(program: str) -> str:
    return "Redis" if program == REDIS else "Valkey"


def _first_server(servers: RedisCluster | SentinelRedis) -> RedisServer:
    return servers.owner_of(slot=0) if isinstance(servers, RedisCluster) else servers.master


def _every_worker_recovers(service: Service) -> None:
    workers = len(service.workers())
    eventually(lambda: len(service.log("cache.unavailable")) >= workers)
    eventually(lambda: value(service, "redis_down_workers") == 0)


def _outages(service: Service) -> str:
    seconds = [line["outage_s"] for line in service.log("cache.recovered")]
    return f"outages seen by the {len(service.workers())} workers: {seconds} s"
