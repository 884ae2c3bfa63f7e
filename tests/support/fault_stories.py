"""A short scenario ("story") of two replicas with one Redis, repeated with a fault at each step.

As in SQLite's tests, the fault hits the first command, then the second, and so on, until a story
ends before it is reached. A short run plays one fault of each kind. Run this with gevent's patches
in place, like a worker.
"""

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import gevent
import structlog
from falcon.testing import Result, TestClient
from gevent.pool import Pool
from pydantic import SecretStr

from api.app import create_app
from api.errors import CODES
from api.services.amadeus.token_provider import RefreshTimes
from api.services.cache.layered_store import LayeredStore
from api.services.cache.lifetimes import LOCK_SECONDS
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.settings import Settings
from api.telemetry.metrics import Metrics
from tests.support.faults import ERROR, RESET, SILENCE, WAYS, Amadeus, Fault, RedisProxy
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.service import some_day
from tests.support.stories import longest_pause

HERD: Final = 4
REFRESH_TIMES: Final = RefreshTimes(refresh_from=0.02, min_sleep=0.05)
SEARCH_SECONDS: Final = 0.03
# A worker that lost its reply may hold a lock unknowingly; others wait until the lock expires.
REDIS_SECONDS: Final = LOCK_SECONDS + 1.0
AMADEUS_DEADLINE: Final = 3
AMADEUS_SECONDS: Final = AMADEUS_DEADLINE + 0.5
RECOVERY_SECONDS: Final = 3.0
MAX_PAUSE_SECONDS: Final = 0.1
MAX_TRIES: Final = 5
BUG_EVENTS: Final = {"http.error", "cache.fetch_failed", "cache.follow_failed"}
# The faulty step of a short run, as the number and the text of a Fault. Redis is asked for the lock
# of a price, which a worker may then hold without knowing. Amadeus is asked for that price.
TELLING_STEPS: Final = {"redis": (2, "{price|"), "amadeus": (1, "/flight-offers")}
# Threads that a worker keeps between requests; every other thread ends with its work.
LASTING_THREADS: Final = {"warm-up", "announcements", "refresh"}
ORIGINS: Final = ("JFK", "SFO", "BOS", "ORD", "MIA", "SEA", "DEN", "ATL")


class Replica:
    """A worker in this process."""

    def __init__(self, settings: Settings) -> None:
        """Create the worker with short intervals of periodic work, so that the story is short."""
        metrics, connections = Metrics(), connections_to(settings.redis_url.get_secret_value())
        shared = RedisStore(connections, metrics, heartbeat_seconds=0.3)
        store = LayeredStore(shared, settings.cache_stale_ttl, metrics, probe_seconds=0.1)
        self.application = create_app(settings, store=store, refresh_times=REFRESH_TIMES)
        self._client = TestClient(self.application)
        self.application.warm_up()

    def price(self, origin: str, ahead: int, **more: str) -> Result:
        query = {"origin": origin, "destination": "LAX", "date": some_day(ahead), **more}
        return self._client.simulate_get("/flights/price", params=query)

    def readiness(self) -> str:
        return str(self._client.simulate_get("/readyz").json["status"])


@dataclass
class Play:
    """One run of the story, with a unique `number`."""

    redis: RedisProxy
    amadeus: Amadeus
    settings: Settings
    number: int
    is_redis_faulty: bool
    findings: list[str] = field(default_factory=list)
    """Violations, each as its kind and a description."""
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._replicas: list[Replica] = []
        self._unread = count(4)

    @property
    def fault(self) -> Fault:
        return (self.redis if self.is_redis_faulty else self.amadeus).fault

    def run(self) -> None:
        """Start two replicas; then cause a cold read, hits, nocache, a herd and new tokens."""
        self.amadeus.settings(token_life=10)  # it is refreshed after 0.2 s
        tokens = self.amadeus.tokens
        first = self._join()
        self.amadeus.settings(token_life=1799)
        second = self._join()
        self._ask(first, 0)
        self._ask(first, 0)
        self._ask(second, 0)
        newest = self._ask(first, 0, nocache="1")
        if newest > self._ask(first, 0):
            self._find("wrong", "an older price after a newer one")
        herd = Pool()
        for number in range(HERD):
            herd.spawn(self._ask, self._replicas[number % 2], 1)
        herd.spawn(self._ask, first, 1, nocache="1")
        herd.join(raise_error=True)
        # Replicas that cannot share a token may have two; a request then replaces one of them.
        with suppress(AssertionError):  # the fault may hit the refresh
            eventually(lambda: self.amadeus.tokens >= tokens + 2 and self._is_ready(), within=1.5)
        self.amadeus.revoke_tokens()
        self._ask(second, 0, nocache="1")
        self._ask(first, 2)
        if not self.fault.was_played and self.amadeus.tokens != tokens + 3:
            self._find("wrong", "not a first, a refreshed and a replaced token")

    def end(self) -> None:
        """Check that all has recovered, and that nothing is left before and after the stop."""
        self.fault.is_over = True
        self._check("unwell", "prices are not shared", self._shares_prices)
        self._check("unwell", "a new price does not arrive", self._hears_news)
        self._check("unwell", "not ready", self._is_ready)
        self._check("left", "threads", lambda: self._threads_left() <= LASTING_THREADS)
        self._check("left", "a connection out of step", self._closed_what_was_spoilt)
        for replica in self._replicas:
            replica.application.stop()
        self._check("left", "connections", lambda: not self.redis.open and not self.amadeus.open)
        self._check("left", "threads after the end", lambda: not self._threads_left())

    def _join(self) -> Replica:
        """Start another replica, and return it once it serves."""
        replica = Replica(self.settings)
        self._replicas.append(replica)
        eventually(lambda: replica.readiness() in ("ready", "degraded"))
        return replica

    def _ask(self, replica: Replica, place: int, **more: str) -> str:
        """The price that the replica returns, or "" for a permitted error."""
        origin, ahead = ORIGINS[place % len(ORIGINS)], 1 + (self.number + place) % 360
        asked_at = time.monotonic()
        reply = replica.price(origin, ahead, **more)
        seconds = time.monotonic() - asked_at
        self.slowest = max(self.slowest, seconds)
        if seconds > (REDIS_SECONDS if self.is_redis_faulty else AMADEUS_SECONDS):
            self._find("late", f"an answer after {seconds:.2f} s")
        if reply.status_code != 200:
            self._judge_error(reply)
            return ""
        price = str(reply.json["data"]["price"]).removesuffix(" EUR")
        search = self.amadeus.searches.get(price)
        if search is None or search.route != (origin, "LAX", some_day(ahead)):
            self._find("wrong", f"{price}, a price that Amadeus never gave for this route")
        elif more and search.at < asked_at:
            self._find("wrong", "fetched before the request")
        return price

    def _judge_error(self, reply: Result) -> None:
        code = reply.json.get("code")
        if self.is_redis_faulty:
            self._find("wrong", f"{reply.status_code} {code} though Amadeus is well")
        elif code not in CODES or reply.status_code not in (502, 503, 504):
            self._find("wrong", f"{reply.status_code} {reply.text}")

    def _shares_prices(self) -> bool:
        """Whether both replicas return the price that one of them fetches."""
        place = next(self._unread)
        price, another = (self._ask(replica, place) for replica in self._replicas)
        return price != "" and price == another

    def _hears_news(self) -> bool:
        first, second = self._replicas
        newer = self._ask(second, 0, nocache="1")
        with suppress(AssertionError):
            return newer != "" and eventually(lambda: self._ask(first, 0) == newer, within=0.2)
        return False

    def _is_ready(self) -> bool:
        return all(replica.readiness() == "ready" for replica in self._replicas)

    def _threads_left(self) -> set[str]:
        return {thread.name for thread in set(threading.enumerate()) - self._threads}

    def _closed_what_was_spoilt(self) -> bool:
        return not {self.redis.spoilt, self.amadeus.spoilt} & (self.redis.open | self.amadeus.open)

    def _check(self, kind: str, what: str, is_well: Callable[[], bool]) -> None:
        try:
            eventually(is_well, within=RECOVERY_SECONDS)
        except AssertionError:
            self._find(kind, f"{what}; threads {sorted(self._threads_left())}")

    def _find(self, kind: str, what: object) -> None:
        self.findings.append(f"{kind}: {self.fault}: {what}")


class Lane:
    """Plays one share of all faults, one after the other."""

    def __init__(
        self, redis: RedisServer, proxy: RedisProxy, amadeus: Amadeus, spoilt: str
    ) -> None:
        self.played: Counter[str] = Counter()
        self.findings: list[str] = []
        self.slowest = 0.0
        self._redis = redis
        self._proxy = proxy
        self._amadeus = amadeus
        self._spoilt = spoilt
        self._is_redis_faulty = spoilt == "redis"
        self._numbers = count()

    def run(self, share: int, shares: int) -> None:
        """Play a share of all faults."""
        with self._nothing_left():
            for way in WAYS:
                for number in count(1 + share, shares):
                    if not self.play(Fault(number, way)):
                        break
                    self.played[way] += 1

    def run_briefly(self) -> None:
        """Play one fault of each kind."""
        number, step = TELLING_STEPS[self._spoilt]
        with self._nothing_left():
            for way in WAYS:
                self.played[way] += self.play(Fault(number, way, step))

    @contextmanager
    def _nothing_left(self) -> Iterator[None]:
        """Find keys and greenlets that are left at the end."""
        self._play_once(Fault())  # so that one-time slowness is over
        greenlets = _greenlets()
        yield
        self._look_at_keys()
        if _greenlets() > greenlets:
            self.findings.append(f"left: {_greenlets() - greenlets} greenlets")

    def play(self, fault: Fault) -> bool:
        """Play a story; return whether it was long enough to reach the fault.

        A failed story in which this process was paused by the machine is played again, up to
        MAX_TRIES times in all. The findings of the last one count.
        """
        for _ in range(MAX_TRIES):
            fault = Fault(fault.number, fault.way, fault.of)
            with longest_pause() as longest:
                play = self._play_once(fault)
            if not play.findings or longest[0] < MAX_PAUSE_SECONDS:
                break
        self.findings += play.findings
        self.slowest = max(self.slowest, play.slowest)
        return fault.was_played

    def _play_once(self, fault: Fault) -> Play:
        number, is_redis = next(self._numbers), self._is_redis_faulty
        settings = Settings(
            amadeus_base_url=self._amadeus.url,
            amadeus_client_id=SecretStr(f"id-{number}"),
            amadeus_client_secret=SecretStr("secret"),
            amadeus_rate_limit=1000,
            amadeus_timeout=5 if is_redis else 0.7,
            request_deadline=10 if is_redis else AMADEUS_DEADLINE,
            redis_url=SecretStr(f"redis://127.0.0.1:{self._proxy.port}"),
        )
        self._redis.client.script_flush()  # so that each story has to load the scripts
        self._proxy.begin(fault if is_redis else Fault())
        self._amadeus.begin(Fault() if is_redis else fault)
        play = Play(self._proxy, self._amadeus, settings, number, is_redis)
        with structlog.testing.capture_logs() as said:
            play.run()
            play.end()
        # Only a reply that cannot be read explains a traceback.
        is_readable = fault.way in (RESET, SILENCE, ERROR)
        play.findings += [
            f"wrong: {fault}: {line}"
            for line in said
            if line["event"] in BUG_EVENTS or (is_readable and line.get("exc_info"))
        ]
        return play

    def _look_at_keys(self) -> None:
        client = self._redis.client
        endless = [key for key in self._redis.keys("*") if client.pttl(key) == -1]
        self.findings += [f"left: {key!r}, without expiry" for key in endless]
        try:
            eventually(lambda: not self._redis.keys("*:lock"), within=RECOVERY_SECONDS + 1)
        except AssertionError:
            self.findings.append(f"left: {self._redis.keys('*:lock')}, without a running fetch")


def _greenlets() -> int:
    gc.collect()
    return sum(isinstance(each, gevent.Greenlet) and not each.dead for each in gc.get_objects())


def main() -> None:
    """Play faults of "redis" or "amadeus", and print the results.

    The share to play follows as two numbers. Without them, one fault of each kind is played.
    """
    spoilt, *share = sys.argv[1:]
    with (
        RedisServer() as redis,
        RedisProxy(redis.port) as proxy,
        Amadeus(SEARCH_SECONDS) as amadeus,
    ):
        lane = Lane(redis, proxy, amadeus, spoilt)
        if share:
            lane.run(*map(int, share))
        else:
            lane.run_briefly()
    seen: dict[str, Any] = {"played": lane.played, "findings": lane.findings}
    print(json.dumps({**seen, "slowest": lane.slowest}))  # noqa: T201 - for who started this
