"""A client for Redis Cluster; docs/adr/0014-redis-cluster.md says why redis-py's is not used.

A request asks one node and follows its redirections; the slow `refresh` runs in the background.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, TryAgainError

from api.services.deadline import within
from api.settings.redis_url import Address

# A limit on their number instead of their time: a busy worker may read a redirection late.
MAX_REDIRECTIONS: Final = 5
# How long to wait for keys that are being moved.
MOVE_TIMEOUT_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 0.01
# Limit on asking one node or Sentinel; the next one can answer as well.
NODE_TIMEOUT_SECONDS: Final = 0.1


class Cluster:
    """Implements `Connections` on a Redis Cluster."""

    def __init__(
        self,
        seeds: Sequence[Address],
        connect: Callable[[Address], "redis.Redis"],
        move_timeout: float = MOVE_TIMEOUT_SECONDS,
    ) -> None:
        """Open no connection yet. connect: returns a client for one node."""
        self._seeds = seeds
        self._connect = connect
        self._move_timeout = move_timeout
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._clients: dict[Address, redis.Redis] = {}
        self._owners: dict[int, Address] = {}

    def run(self, key: str, *command: object) -> Any:
        give_up = time.monotonic() + self._move_timeout
        slot, redirections = key_slot(key.encode()), 0
        node, is_asking = self._owner(slot), False
        while True:
            try:
                return self._ask(node, is_asking, command)
            except AskError as redirection:  # MovedError is one too
                redirections += 1
                if redirections > MAX_REDIRECTIONS:
                    raise
                is_asking = not isinstance(redirection, MovedError)
                node = self._address(redirection, node)
                if not is_asking:
                    self._owners[slot] = node
            except TryAgainError:
                # Some of the entry's keys are being moved to another node, which takes
                # milliseconds. The command has had no effect, so it can be repeated.
                if time.monotonic() > give_up:
                    raise
                time.sleep(PAUSE_SECONDS)
                node, is_asking, redirections = self._owner(slot), False, 0

    def home(self) -> "redis.Redis":
        return self._client(self._owner(0))

    def check_subscription(self, server: "redis.Redis") -> None:
        """Raise if the node is cut off or removed; its subscriptions then stay silent."""
        info = server.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
        if info["cluster_state"] != "ok":
            raise redis.ConnectionError("the node of the subscription is cut off from the cluster")

    def refresh(self) -> None:
        """Ask one node after the other until one returns the owners of all slots."""
        with self._refreshing:
            self._learn_owners()

    def one_key_per_server(self, keys: Iterable[str]) -> Iterable[str]:
        return {self._owner(key_slot(key.encode())): key for key in keys}.values()

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.connection_pool.disconnect()

    def _ask(self, node: Address, is_asking: bool, command: tuple[object, ...]) -> Any:
        client = self._client(node)
        if not is_asking:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]
        # ASKING affects only the next command on the same connection.
        both = client.pipeline(transaction=False)
        both.execute_command("ASKING")  # type: ignore[no-untyped-call]
        both.execute_command(*command)  # type: ignore[no-untyped-call]
        return both.execute()[1]

    def _owner(self, slot: int) -> Address:
        if not self._owners:
            self.refresh()
        try:
            return self._owners[slot]
        except KeyError:
            raise redis.ConnectionError(f"no node holds slot {slot}") from None

    def _client(self, address: Address) -> "redis.Redis":
        with self._lock:
            client = self._clients.get(address)
            if client is None:
                client = self._clients[address] = self._connect(address)
            return client

    @staticmethod
    def _address(redirection: AskError, told_by: Address) -> Address:
        """Return where to go. A node that omits the host means its own."""
        return redirection.host or told_by[0], redirection.port

    def _learn_owners(self) -> None:
        known = list({*self._owners.values(), *self._seeds})
        # Shuffle, so that a node with outdated knowledge is not always asked first.
        random.shuffle(known)
        problem: Exception | None = None
        for address in known:
            try:
                node = self._client(address)
                with within(NODE_TIMEOUT_SECONDS):
                    ranges = node.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            except (redis.RedisError, OSError) as exc:
                problem = exc
                continue
            if ranges:
                self._owners = _owners(ranges, address)
                self._close_unused()
                return
        raise redis.ConnectionError(f"no node of the cluster answers: {problem}") from problem

    def _close_unused(self) -> None:
        with self._lock:
            for address in self._clients.keys() - {*self._owners.values(), *self._seeds}:
                self._clients.pop(address).close()


def _owners(ranges: Iterable[Any], told_by: Address) -> dict[int, Address]:
    """Return each slot's master. A range of CLUSTER SLOTS: first slot, last slot, master, …"""
    owners = {}
    for first, last, (host, port, *_), *_ in ranges:
        address = ((host or b"").decode() or told_by[0], int(port))
        owners.update(dict.fromkeys(range(first, last + 1), address))
    return owners
