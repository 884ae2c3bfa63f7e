"""Each worker has its metric files, and the folder is removed with the last of them."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.metrics_page import value
from tests.support.processes import eventually, has_ended
from tests.support.servers.service import Service


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(web_concurrency=2) as service:
        eventually(lambda: value(service, "workers") == 2)
        yield service


def test_replaced_workers_leave_no_metric_files(service: Service) -> None:
    for _ in range(3):
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in service.workers() and len(service.workers()) == 2)  # noqa: B023
    eventually(lambda: value(service, "workers") == 2)

    # One file of each kind per worker slot, some created later, and the shared history.
    known = re.compile(r"(counter|histogram|gauge_[a-z]+)_[01]\.db|history\.(json|lock)|lock")
    assert [
        file for file in metric_folder(service).iterdir() if not known.fullmatch(file.name)
    ] == []


def test_metrics_folder_is_removed_when_the_service_stops() -> None:
    with Service() as service:
        folder = metric_folder(service)
        assert folder.is_dir()

    assert not folder.exists()


def test_metrics_folder_of_a_killed_service_is_removed_at_next_start(service: Service) -> None:
    with Service() as killed:
        left, workers = metric_folder(killed), killed.workers()
        killed.process.kill()
        eventually(lambda: all(has_ended(worker) for worker in workers))

    with Service():
        eventually(lambda: not left.exists())  # a starting worker may be creating files
        assert metric_folder(service).is_dir()
        assert value(service, "workers") == 2


def metric_folder(service: Service) -> Path:
    """The metrics folder of the service, taken from the open files of its workers."""
    maps = Path(f"/proc/{service.workers()[0]}/maps").read_text().splitlines()
    (path, *_) = (line.split()[-1] for line in maps if line.endswith(".db"))
    return Path(path).parent
