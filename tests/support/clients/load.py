"""A steady stream of price requests, and the outcome of each."""

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from tests.support.servers.service import some_day

MAX_WAIT_SECONDS = 30.0
AIRPORTS = ("JFK", "LAX", "LHR", "CDG", "FRA", "MAD", "SIN", "SYD")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended.

    status: 0 if there was no answer; `problem` says why. age: the Age header in seconds.
    asked_at: seconds of time.monotonic.
    """

    status: int
    cache: str
    age: int
    asked_at: float
    seconds: float
    problem: str = ""


class Load:
    """Sends `per_second` requests a second from its own thread while the `with` lasts.

    It repeats the same few routes; one request in twenty bypasses the cache. A request is sent
    when it is due, whether earlier ones have been answered or not.
    """

    def __init__(
        self, base_url: str, per_second: float = 50, routes: int = 200, *, keep_alive: bool = True
    ) -> None:
        self._base_url = base_url
        self._interval = 1 / per_second
        self._keep_alive = keep_alive
        self._random = random.Random(7)
        self._queries = [self._some_query() for _ in range(routes)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_until_over()))
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def failed(self) -> list[Outcome]:
        """The outcomes other than 200."""
        return [outcome for outcome in self.outcomes if outcome.status != 200]

    def summary(self) -> str:
        """One line for people."""
        seconds = sorted(outcome.seconds for outcome in self.outcomes)
        caches = Counter(outcome.cache for outcome in self.outcomes if outcome.cache)
        listed = ", ".join(f"{count} {cache}" for cache, count in caches.most_common())
        return (
            f"{len(seconds)} requests, {len(self.failed())} failed; {listed};"
            f" p50 {_ms(seconds, 0.5)} ms, p99 {_ms(seconds, 0.99)} ms, worst {_ms(seconds, 1)} ms"
        )

    def _some_query(self) -> dict[str, str]:
        origin, destination = self._random.sample(AIRPORTS, 2)
        day = some_day(self._random.randint(1, 90))
        return {"origin": origin, "destination": destination, "date": day}

    async def _ask_until_over(self) -> None:
        client = _Client(self._base_url, keep_alive=self._keep_alive)
        try:
            async with asyncio.TaskGroup() as tasks:
                due = time.monotonic()
                while not self._over.is_set():
                    tasks.create_task(self._ask(client))
                    due += self._interval
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
        finally:
            client.close()

    async def _ask(self, client: "_Client") -> None:
        query = dict(self._random.choice(self._queries))
        if self._random.random() < 0.05:
            query["nocache"] = "1"
        started = time.monotonic()
        status, cache, age, problem = 0, "", 0, ""
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                status, headers = await client.get(f"/flights/price?{urlencode(query)}")
            cache, age = headers.get("x-cache", ""), int(headers.get("age", 0))
        except (OSError, EOFError) as exc:
            problem = f"{type(exc).__name__}: {exc}"
        took = time.monotonic() - started
        self.outcomes.append(Outcome(status, cache, age, started, took, problem))


class _Client:
    """A minimal HTTP/1.1 client: a full-featured one takes four times the processor time."""

    def __init__(self, base_url: str, *, keep_alive: bool) -> None:
        where = urlsplit(base_url)
        self._host, self._port = where.hostname, where.port
        self._keep_alive = keep_alive
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> tuple[int, dict[str, str]]:
        """The status and the headers, in lower case. Raises OSError or EOFError."""
        reader, writer = await self._connection()
        is_kept = False
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {name.lower(): text for name, _, text in (x.partition(": ") for x in lines)}
            await reader.readexactly(int(headers["content-length"]))
            is_kept = self._keep_alive and headers.get("connection") != "close"
        finally:
            if is_kept:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return int(first.split()[1]), headers

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # not closed meanwhile
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


def _ms(seconds: list[float], part: float) -> int:
    return round(seconds[min(len(seconds) - 1, int(part * len(seconds)))] * 1000)
