"""HTTP without TLS to servers on this machine, ignoring proxies in the environment.

By default an httpx2 client first loads all certificate authorities, which takes 45 ms of processor
time; `verify` avoids that.
"""

from typing import Any

import httpx2

_PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}


def client(**options: Any) -> httpx2.Client:
    """A client that keeps its connections open."""
    return httpx2.Client(**_PLAIN | options)


def async_client(**options: Any) -> httpx2.AsyncClient:
    """The same for asyncio."""
    return httpx2.AsyncClient(**_PLAIN | options)


def get(url: str) -> httpx2.Response:
    """GET a URL on a new connection."""
    return httpx2.get(url, **_PLAIN)
