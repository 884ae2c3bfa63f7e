"""Where a cluster sends a command, while the worker is busy."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from redis.exceptions import MovedError

from api.services.cache.redis.cluster import MAX_REDIRECTIONS, Cluster

LATE: Final = 0.25
HOME: Final = ("127.0.0.1", 1)


class Node:
    """Answers late. It knows where all slots are said to be, and where a key really is."""

    def __init__(self, port: int, moves: int, late: float) -> None:
        self._port = port
        self._moves = moves
        self._late = late

    def execute_command(self, command: str, *_: object) -> Any:
        time.sleep(self._late if command != "CLUSTER SLOTS" else 0)
        if command == "CLUSTER SLOTS":
            return [[0, 16383, [b"127.0.0.1", 1, b"id"]]]
        if self._port > self._moves:
            return b"found"
        raise MovedError(f"7 127.0.0.1:{self._port + 1}")


def cluster(moves: int, late: float = LATE) -> Cluster:
    """A key that is `moves` nodes away from where it is said to be."""
    return Cluster([HOME], lambda address: Node(address[1], moves, late))  # type: ignore[arg-type, return-value]


def test_redirection_that_a_busy_worker_reads_late_is_followed() -> None:
    assert cluster(moves=1).run("key", "GET", "key") == b"found"


def test_redirections_in_a_circle_come_to_an_end() -> None:
    with pytest.raises(MovedError):
        cluster(moves=MAX_REDIRECTIONS + 1, late=0).run("key", "GET", "key")


def test_second_discovery_waits_for_the_first_on_a_busy_worker() -> None:
    nodes = cluster(moves=0)
    with ThreadPoolExecutor() as threads:
        with nodes._refreshing:  # noqa: SLF001 - as a discovery that takes long
            second = threads.submit(nodes.refresh)
            time.sleep(LATE)
        second.result(5)
