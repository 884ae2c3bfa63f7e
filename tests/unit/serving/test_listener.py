"""The life of a worker, from its first heartbeat to its stop."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import gevent
import pytest
from gevent.server import StreamServer
from gunicorn.config import Config

from api.serving.listener import HANDOVER_SECONDS, NOTIFY_SECONDS, SharingWorker

GRACEFUL_SECONDS = 2 * int(NOTIFY_SECONDS)  # the time limit is not checked more often


class Worker(SharingWorker):
    """A worker without sockets: each listener stands for its server too."""

    def _server(self, listener: Any) -> StreamServer:
        server: StreamServer = listener
        return server


@pytest.fixture
def log() -> Mock:
    return Mock()


@pytest.fixture
def server() -> Mock:
    return Mock()


@pytest.fixture
def worker(log: Mock, server: Mock) -> Iterator[Worker]:
    cfg = Config()
    cfg.set("graceful_timeout", GRACEFUL_SECONDS)
    worker = Worker(0, os.getppid(), [server], Mock(), 30, cfg, log)
    yield worker
    worker.connections.kill()
    worker.tmp.close()


def seconds_to_stop(worker: Worker, meanwhile: Callable[[], object]) -> float:
    running = gevent.spawn(worker.run)
    gevent.sleep(0)
    meanwhile()
    worker.handle_exit(15, None)
    began = time.monotonic()
    running.get(timeout=5)
    return time.monotonic() - began


def test_worker_without_connections_stops_at_once(worker: Worker, server: Mock, log: Mock) -> None:
    took = seconds_to_stop(worker, server.start.assert_called_once)

    assert HANDOVER_SECONDS <= took < NOTIFY_SECONDS
    assert [call[0] for call in server.method_calls] == ["start", "close"]
    log.warning.assert_not_called()


def test_worker_stops_when_its_last_connection_is_closed(worker: Worker, log: Mock) -> None:
    took = seconds_to_stop(worker, lambda: worker.connections.spawn(gevent.sleep, 0.3))

    assert 0.3 <= took < NOTIFY_SECONDS
    log.warning.assert_not_called()


def test_endless_connection_is_cut_off_after_its_time(
    worker: Worker, server: Mock, log: Mock
) -> None:
    took = seconds_to_stop(worker, lambda: worker.connections.spawn(gevent.sleep, 60))

    assert GRACEFUL_SECONDS <= took < GRACEFUL_SECONDS + 3
    assert [call[0] for call in server.method_calls] == ["start", "close", "stop"]
    log.warning.assert_called_once()


def test_master_hears_from_a_worker_that_serves_and_from_one_that_stops(worker: Worker) -> None:
    beats = list[float]()

    def stay_until_the_second() -> None:
        while worker.tmp.last_update() == beats[0]:
            gevent.sleep(0.01)
        beats.append(worker.tmp.last_update())

    def open_a_connection() -> None:
        # The file of a worker that has sent none has the time of day.
        beats.append(worker.tmp.last_update())
        worker.connections.spawn(stay_until_the_second)

    begin = time.monotonic()
    seconds_to_stop(worker, open_a_connection)

    assert begin <= beats[0]
    assert beats[0] + HANDOVER_SECONDS <= beats[1] <= time.monotonic()


def test_worker_whose_master_is_gone_ends(worker: Worker) -> None:
    worker.ppid = -1
    with gevent.Timeout(5), pytest.raises(SystemExit):
        worker.run()
