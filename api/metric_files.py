"""Where the metrics of all workers meet: a folder in memory, with files for each worker.

prometheus-client names these files by process id, so that they grow in number with each worker
that dies. Here they are named by a worker's place among its siblings: whoever takes the place of
a dead worker goes on with its counts, and nothing is lost or left behind.

For gunicorn.conf.py alone.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from itertools import count

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = "/dev/shm"  # noqa: S108 - the folder in it is new and ours alone


def create_folder() -> None:
    """Make the folder, before the first worker is there."""
    in_memory = os.access(_MEMORY, os.W_OK)
    os.environ[_FOLDER] = tempfile.mkdtemp(
        prefix="flight-price-api-", dir=_MEMORY if in_memory else None
    )


def remove_folder() -> None:
    """Remove it again, after the last."""
    shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)


def free_place(taken: Iterable[int]) -> int:
    """The first place that no living worker has."""
    occupied = set(taken)
    return next(place for place in count() if place not in occupied)


def take_place(place: int) -> None:
    """Count from here on in the files of this place; called in the worker, before any metric.

    Raises RuntimeError where there are metrics already: they would count for nobody.
    """
    if "api.metrics" in sys.modules:
        raise RuntimeError("api.metrics was imported before the fork; nothing there may do so")
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def leave_place(place: int) -> None:
    """What a dead worker was (and not what it did) is no longer true."""
    mark_process_dead(place)  # type: ignore[no-untyped-call]
