"""An Amadeus that answers many concurrent calls after a given time, even on a busy machine."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

import sandbox
from tests.support.clients.sandbox_client import SEARCH, TOKEN
from tests.support.servers.service import some_day


class QuickAmadeus:
    """Listens on a free local port while the `with` lasts.

    It gives every search the sandbox's answer to one query. `searches` is the number of searches so
    far, `most_under_way` the highest number of concurrent ones.
    """

    url: str

    def __init__(
        self, seconds: float, certificate: Path | None = None, max_offers: int = 50
    ) -> None:
        """seconds: the time before a search is answered. certificate: with its key, for TLS."""
        self.seconds = seconds
        self._tls = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate)
        self.searches = self.under_way = self.most_under_way = 0
        self._token, self._offers = _documents(max_offers)
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @contextmanager
    def holding_answers(self) -> Iterator[None]:
        """Answer no search before the `with` ends."""
        self._loop.call_soon_threadsafe(self._may_answer.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._may_answer.set)

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=1024, ssl=self._tls
        )
        self.url = (
            f"{'https' if self._tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        )
        self._listens.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await reader.readexactly(int(_length(head)))
                    writer.write(self._token)
                    continue
                self.searches += 1
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                await asyncio.sleep(self.seconds)
                await self._may_answer.wait()
                writer.write(self._offers)
                self.under_way -= 1
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the caller disconnected, or the test is over
        finally:
            writer.close()


def _length(head: bytes) -> str:
    return head.lower().partition(b"content-length: ")[2].split(b"\r")[0].decode()


def _documents(max_offers: int) -> tuple[bytes, bytes]:
    with httpx2.Client(
        transport=httpx2.WSGITransport(app=sandbox.create_app()), base_url="http://sandbox"
    ) as client:
        who = {"grant_type": "client_credentials", "client_id": "any", "client_secret": "any"}
        token = client.post(TOKEN, data=who)
        search = {
            "originLocationCode": "JFK",
            "destinationLocationCode": "LAX",
            "departureDate": some_day(),
            "adults": "1",
            "max": str(max_offers),
        }
        key = json.loads(token.content)["access_token"]
        offers = client.get(SEARCH, params=search, headers={"Authorization": f"Bearer {key}"})
    return _answer(token), _answer(offers)


def _answer(response: httpx2.Response) -> bytes:
    head = (
        f"HTTP/1.1 {response.status_code} OK\r\n"
        f"Content-Type: {response.headers['Content-Type']}\r\n"
        f"Content-Length: {len(response.content)}\r\n\r\n"
    )
    return head.encode() + response.content
