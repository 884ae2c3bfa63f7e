"""A steady stream of price questions, and what became of each."""

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx2

from tests import plain_http
from tests.service import some_day

PATIENCE_SECONDS = 30.0
AIRPORTS = ("JFK", "LAX", "LHR", "CDG", "FRA", "MAD", "SIN", "SYD")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended.

    status: 0 where no answer came; `problem` says why. age: what the answer said, in seconds.
    asked_at: seconds of time.monotonic.
    """

    status: int
    cache: str
    age: int
    asked_at: float
    seconds: float
    problem: str = ""


class Load:
    """Asks `per_second` times a second, in a thread of its own, while the `with` lasts.

    The same few routes are asked again and again; one question in twenty goes past the cache.
    A question is asked when it is due, whether those before it were answered or not.
    """

    def __init__(
        self, base_url: str, per_second: float = 50, routes: int = 200, *, keep_alive: bool = True
    ) -> None:
        self._base_url = base_url
        self._interval = 1 / per_second
        self._keep_alive = keep_alive
        self._random = random.Random(7)
        self._questions = [self._some_question() for _ in range(routes)]
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
        """Those that ended in anything but 200."""
        return [outcome for outcome in self.outcomes if outcome.status != 200]

    def summary(self) -> str:
        """One line for people."""
        seconds = sorted(outcome.seconds for outcome in self.outcomes)
        caches = Counter(outcome.cache for outcome in self.outcomes if outcome.cache)
        told = ", ".join(f"{count} {cache}" for cache, count in caches.most_common())
        return (
            f"{len(seconds)} requests, {len(self.failed())} failed; {told};"
            f" p50 {_ms(seconds, 0.5)} ms, p99 {_ms(seconds, 0.99)} ms, worst {_ms(seconds, 1)} ms"
        )

    def _some_question(self) -> dict[str, str]:
        origin, destination = self._random.sample(AIRPORTS, 2)
        day = some_day(self._random.randint(1, 90))
        return {"origin": origin, "destination": destination, "date": day}

    async def _ask_until_over(self) -> None:
        kept = None if self._keep_alive else 0
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=kept)
        async with (
            plain_http.async_client(
                base_url=self._base_url, limits=limits, timeout=PATIENCE_SECONDS
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            due = time.monotonic()
            while not self._over.is_set():
                tasks.create_task(self._ask(client))
                due += self._interval
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _ask(self, client: httpx2.AsyncClient) -> None:
        question = dict(self._random.choice(self._questions))
        if self._random.random() < 0.05:
            question["nocache"] = "1"
        started = time.monotonic()
        status, cache, age, problem = 0, "", 0, ""
        try:
            answer = await client.get(f"/flights/price?{urlencode(question)}")
            status, cache = answer.status_code, answer.headers.get("X-Cache", "")
            age = int(answer.headers.get("Age", 0))
        except httpx2.TransportError as exc:
            problem = f"{type(exc).__name__}: {exc}"
        took = time.monotonic() - started
        self.outcomes.append(Outcome(status, cache, age, started, took, problem))


def _ms(seconds: list[float], part: float) -> int:
    return round(seconds[min(len(seconds) - 1, int(part * len(seconds)))] * 1000)
