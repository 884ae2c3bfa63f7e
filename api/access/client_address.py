"""Who is at the other end: the peer, or whom a trusted proxy speaks for."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

TAKES: Final = "must be addresses or networks like 10.0.0.7 or 10.0.7.0/24, separated by commas"
# What one customer of a provider gets at least, and can change addresses in at will.
_IPV6_CLIENT_PREFIX: Final = 64
# Docker gives a network of containers as much; a network of more holds others than proxies.
_MIN_PREFIX: Final = {4: 16, 6: 64}
_MAX_HOP_LENGTH: Final = 64  # characters: an address, an interface's name and some blanks

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies whose X-Forwarded-For is believed."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The proxies of a list. Raises ValueError."""
        try:
            return cls(tuple(map(ip_network, re.split(r"[,\s]+", text.strip(", ")))))
        except ValueError:
            raise ValueError(f"{TAKES}, not {json.dumps(text)}") from None

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """The address of the client behind a connection; of IPv6 its /64.

        Each proxy adds the address that it was called from at the right end. So that is read
        from there, and only as far as proxies of ours wrote it.
        """
        here, is_proxy = _looked_up(self.networks, peer)
        before = forwarded_for or ""
        while before and is_proxy:
            before, _, hop = before.rpartition(",")
            if len(hop) > _MAX_HOP_LENGTH:
                break
            caller, is_proxy = _looked_up(self.networks, hop)
            here = caller or here
        return here or peer

    def wide(self) -> list[str]:
        """The networks that are too large to hold nothing but proxies."""
        return [
            str(network)
            for network in self.networks
            if network.prefixlen < _MIN_PREFIX[network.version]
        ]

    def __contains__(self, peer: str) -> bool:
        return _looked_up(self.networks, peer)[1]

    def __str__(self) -> str:
        return ",".join(map(str, self.networks))


# By address, and not by header: of that a stranger could make as many and as long as it likes.
@lru_cache(maxsize=4096)
def _looked_up(networks: tuple[Network, ...], text: str) -> tuple[str | None, bool]:
    """The client that an address is, None if it is no address, and whether it is a proxy."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None, False
    address = getattr(address, "ipv4_mapped", None) or address
    return _group(address), any(address in network for network in networks)


def _group(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address.packed, _IPV6_CLIENT_PREFIX), strict=False))
