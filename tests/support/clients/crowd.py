"""Many clients at once."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.support.clients import plain_http
from tests.support.processes import eventually
from tests.support.servers.service import Service

MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """The answer to one client, and its duration in seconds."""

    status: int
    headers: httpx2.Headers
    body: dict[str, Any]
    seconds: float


def ask_at_once(urls: Iterable[str]) -> list[Reply]:
    """GET all URLs at the same moment, each on its own connection."""
    return asyncio.run(_ask_all(list(urls)))


def logged(replicas: Sequence[Service], replies: list[Reply], event: str) -> list[dict[str, Any]]:
    """The log lines of an event for the requests with these replies.

    A worker writes its lines in order, a moment after the event; this awaits each request's last.
    """
    ids = {reply.headers["X-Request-ID"] for reply in replies}

    def lines(event: str) -> list[dict[str, Any]]:
        said = [line for replica in replicas for line in replica.log(event)]
        return [line for line in said if line.get("request_id") in ids]

    last = ("http.request", "cache.hit")
    eventually(lambda: sum(len(lines(event)) for event in last) == len(replies))
    return lines(event)


async def _ask_all(urls: list[str]) -> list[Reply]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with plain_http.async_client(limits=limits, timeout=MAX_WAIT_SECONDS) as client:
        return await asyncio.gather(*(_ask(client, url) for url in urls))


async def _ask(client: httpx2.AsyncClient, url: str) -> Reply:
    started = time.monotonic()
    response = await client.get(url)
    seconds = time.monotonic() - started
    return Reply(response.status_code, response.headers, response.json(), seconds)
