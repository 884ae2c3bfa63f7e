"""The address of the client: the peer's, or the one that a trusted proxy reports."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

TAKES: Final = "must be addresses or networks like 10.0.0.7 or 10.0.7.0/24, separated by commas"
# An internet provider gives each customer at least a /64, and the customer picks addresses in it.
_IPV6_CLIENT_PREFIX: Final = 64
# The size of Docker's networks by IP version. A larger network probably contains clients too.
_MIN_PREFIX: Final = {4: 16, 6: 64}
_MAX_HOP_LENGTH: Final = 64  # characters: an address, an interface name and some spaces

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies whose X-Forwarded-For header is trusted."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse addresses and networks separated by commas or white space. Raises ValueError."""
        try:
            return cls(tuple(map(ip_network, re.split(r"[,\s]+", text.strip(", ")))))
        except ValueError:
            raise ValueError(f"{TAKES}, not {json.dumps(text)}") from None

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Return the address of the client behind a connection; its /64 network for IPv6.

        Each proxy appends the address of its caller to the header. So the header is read from the
        right, as long as the address read so far is a trusted proxy.
        """
        client, is_proxy = _look_up(self.networks, peer)
        rest = forwarded_for or ""
        while rest and is_proxy:
            rest, _, hop = rest.rpartition(",")
            if len(hop) > _MAX_HOP_LENGTH:
                break
            caller, is_proxy = _look_up(self.networks, hop)
            client = caller or client
        return client or peer

    def wide(self) -> list[str]:
        """Return the networks that are so large that they may contain clients."""
        return [
            str(network)
            for network in self.networks
            if network.prefixlen < _MIN_PREFIX[network.version]
        ]

    def __contains__(self, peer: str) -> bool:
        return _look_up(self.networks, peer)[1]

    def __str__(self) -> str:
        return ",".join(map(str, self.networks))


# Cached by address, not by header: a client can send arbitrarily many and long headers.
@lru_cache(maxsize=4096)
def _look_up(networks: tuple[Network, ...], text: str) -> tuple[str | None, bool]:
    """Return the client's name (None if `text` is no address) and whether it is a proxy."""
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
