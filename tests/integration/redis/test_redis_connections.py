"""The ways to a real Redis, and what a client sees when there is none."""

from pathlib import Path

import pytest

from tests.support.processes import eventually, free_port
from tests.support.servers.certificate import Authority
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import Service


def prices_in(redis: RedisServer) -> int:
    """The number of prices in this Redis."""
    return len(list(redis.client.scan_iter("*price|*}")))


def test_stored_price_is_read_by_the_next_process() -> None:
    with RedisServer() as redis:
        with Service(redis_url=redis.url, web_concurrency=1) as first:
            price = first.price()
        with Service(redis_url=redis.url, web_concurrency=1) as second:
            again = second.price()

    assert (price.headers["X-Cache"], again.headers["X-Cache"]) == ("miss", "hit")
    assert again.content == price.content


def refused_certificates(service: Service) -> list[str]:
    """The reasons of an outage of Redis that name its certificate."""
    reasons = [str(line["reason"]) for line in service.log("cache.unavailable")]
    return [reason for reason in reasons if "certificate" in reason.lower()]


@pytest.fixture
def tls_redis(tmp_path: Path) -> tuple[RedisServer, int, Path]:
    """A Redis with TLS on that port, and the authority that its clients trust."""
    authority = Authority(tmp_path)
    certificate = str(authority.certificate())
    port = free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file")
    redis = RedisServer(*options, certificate, "--tls-key-file", certificate)
    return redis, port, authority.path


def test_tls_trusts_the_authority_named_in_the_environment(
    tls_redis: tuple[RedisServer, int, Path],
) -> None:
    redis, port, authority = tls_redis
    url = f"rediss://127.0.0.1:{port}/0"
    settings = {"redis_url": url, "ssl_cert_file": authority, "web_concurrency": 1}
    with redis, Service(**settings) as service:
        assert service.price().status_code == 200
        eventually(lambda: prices_in(redis) == 1)
        assert refused_certificates(service) == []


def test_tls_trusts_no_other_authority(tls_redis: tuple[RedisServer, int, Path]) -> None:
    redis, port, _ = tls_redis
    with redis, Service(redis_url=f"rediss://127.0.0.1:{port}/0", web_concurrency=1) as service:
        assert service.price().status_code == 200
        assert prices_in(redis) == 0
        assert len(refused_certificates(service)) == 1


def test_redis_can_be_reached_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    url = f"unix://{path}?db=0"
    with RedisServer("--unixsocket", str(path)) as redis, Service(redis_url=url) as service:
        assert service.price().status_code == 200
        eventually(lambda: prices_in(redis) == 1)


def test_service_answers_when_redis_was_never_there() -> None:
    with Service(redis_url=f"redis://127.0.0.1:{free_port()}", web_concurrency=1) as service:
        answers = [service.price(), service.price()]

    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit"]
