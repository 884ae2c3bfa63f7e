"""HTTP without TLS to servers of this machine, whatever proxy the environment names.

A client of httpx2 reads the world's authorities first, which takes 45 ms of processor time, unless
`verify` names others or none.
"""

from typing import Any

import httpx2

_PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}


def client(**options: Any) -> httpx2.Client:
    """A client that keeps its connections."""
    return httpx2.Client(**_PLAIN | options)


def async_client(**options: Any) -> httpx2.AsyncClient:
    """The same for a loop of asyncio."""
    return httpx2.AsyncClient(**_PLAIN | options)


def get(url: str) -> httpx2.Response:
    """GET a URL, on a connection of its own."""
    return httpx2.get(url, **_PLAIN)
