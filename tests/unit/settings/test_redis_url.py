"""The Redis URLs of docs/operations.md, with every kind of host."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.connection import parse_url

from api.services.cache.redis.connections import connections_to
from api.settings import Settings
from api.settings.redis_url import RedisUrl
from api.settings.startup_summary import summary

MANUAL = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
FORMS = re.findall(r"\| `([a-z+]+://[^`]*)` \|$", MANUAL, re.MULTILINE)
HOSTS = {"redis.example": "redis.example", "10.0.0.1": "10.0.0.1", "fe80::1": "[fe80::1]"}


def hosts_of(where: RedisUrl) -> list[str]:
    """The hosts that a URL connects to."""
    server: dict[str, Any] = parse_url(where.server)  # type: ignore[no-untyped-call]
    return [host for host, _ in where.addresses] or [server["host"]]


def test_manual_shows_every_way_to_reach_redis() -> None:
    assert {RedisUrl.parse(form).kind for form in FORMS} == {
        "memory", "server", "sentinel", "cluster",
    }  # fmt: skip
    assert [form for form in FORMS if form.startswith("unix:")]


@pytest.mark.parametrize("form", FORMS)
def test_documented_redis_url_is_accepted(form: str) -> None:
    if form != "memory://":
        connections_to(form).close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("form", [form for form in FORMS if "host" in form])
def test_documented_redis_url_accepts_host_names_and_addresses(
    form: str, host: str, scheme: str
) -> None:
    url = form.replace("redis", scheme, 1).replace("host", HOSTS[host])
    connections_to(url).close()
    assert host in str(summary(Settings(redis_url=SecretStr(url)))["redis"])
    assert hosts_of(RedisUrl.parse(url)) == [host] * form.count("host")


def test_redis_url_may_mix_host_names_and_addresses() -> None:
    url = "redis+cluster://user:p%5Bss@one:7000,[::1]:7001,[::2]"
    where = RedisUrl.parse(Settings(redis_url=SecretStr(url)).redis_url.get_secret_value())
    assert where.addresses == (("one", 7000), ("::1", 7001), ("::2", 6379))
    assert where.server.startswith("redis://user:p%5Bss@localhost/0")


@pytest.mark.parametrize("hosts", ["[::1:7000", "one,::1]", "one,::1:7000", "", ",one"])
def test_ambiguous_hosts_in_a_redis_url_are_refused(hosts: str) -> None:
    with pytest.raises(ValueError, match=r"must have hosts|must have a port"):
        RedisUrl.parse(f"redis+cluster://{hosts}")
