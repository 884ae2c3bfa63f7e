"""The address of the client behind a connection."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from api.access.client_address import Proxies

PROXIES = Proxies.parse("10.0.0.0/8, 192.0.2.7, fd00::/8")
CLIENT = "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        (CLIENT, None, CLIENT),
        (CLIENT, "198.51.100.1", CLIENT),
        ("10.1.2.3", CLIENT, CLIENT),
        ("10.1.2.3", f"198.51.100.1, {CLIENT}", CLIENT),
        ("10.1.2.3", f"198.51.100.1,{CLIENT} , 192.0.2.7", CLIENT),
        ("fd00::1", CLIENT, CLIENT),
        ("10.1.2.3", None, "10.1.2.3"),
        ("10.1.2.3", "10.9.9.9", "10.9.9.9"),
        ("10.1.2.3", "unknown", "10.1.2.3"),
        ("10.1.2.3", f"{CLIENT}, not-an-address", "10.1.2.3"),
        ("10.1.2.3", f"{CLIENT}, \x1b[2J", "10.1.2.3"),
        ("10.1.2.3", ",", "10.1.2.3"),
        ("", None, ""),
    ],
)
def test_client_is_the_rightmost_address_that_is_not_a_proxy(
    peer: str, forwarded_for: str | None, client: str
) -> None:
    assert PROXIES.client(peer, forwarded_for) == client


def test_forwarded_addresses_are_ignored_without_trusted_proxies() -> None:
    assert Proxies().client("127.0.0.1", CLIENT) == "127.0.0.1"


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("peer", [CLIENT, "10.1.2.3"])
def test_untrusted_forwarded_for_is_not_cached(peer: str) -> None:
    before = held_bytes()
    for number in range(1000):
        PROXIES.client(peer, f"{number:08000}")
        PROXIES.client(peer, f"{number:08000},{CLIENT}")
    assert held_bytes() - before < 1_000_000


def held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_ipv6_addresses_of_one_customer_are_one_client() -> None:
    clients = {Proxies().client(peer, None) for peer in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2")}

    assert clients == {"2001:db8:0:1::/64"}
    assert Proxies().client("2001:db8:0:2::1", None) not in clients


def test_ipv4_mapped_ipv6_address_is_treated_as_ipv4() -> None:
    assert PROXIES.client("::ffff:10.1.2.3", f"::ffff:{CLIENT}") == CLIENT


@pytest.mark.parametrize("text", ["*", "10.0.0.1/8", "proxy.example", "10.0.0.0/40", ""])
def test_trusted_proxies_accept_only_addresses_and_networks(text: str) -> None:
    with pytest.raises(ValueError, match="must be addresses or networks like"):
        Proxies.parse(text)
