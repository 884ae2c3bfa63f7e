"""Where the metrics of all workers meet: a folder in memory, with files for each worker.

prometheus-client names these files by process id, so that they grow in number with each worker
that dies. Here they are named by the slot of a worker: the worker that takes over the slot of a
dead one goes on with its counts, and nothing is lost or left behind.

A master that is killed cannot remove its folder, so the next one does. Whether a master lives
shows a lock in its folder, which the kernel holds for as long as the master or one of its workers
does; a process id would mean nothing where containers share the memory.

For gunicorn.conf.py alone.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = "/dev/shm"  # noqa: S108 - the folder in it is new and ours alone
_PREFIX = "flight-price-api-"
_LOCK = "lock"


def create_folder() -> None:
    """Make the folder, before the first worker is there, and remove those of the dead."""
    in_memory = os.access(_MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if in_memory else None))
    os.environ[_FOLDER] = str(folder)
    # Never closed: the process holds it to its end. Nobody finds it before it is locked.
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)
    for each in folder.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it has a master, or was removed in this moment
            _remove_if_dead(each)


def _remove_if_dead(folder: Path) -> None:
    if folder.lstat().st_uid != os.getuid():
        return  # what another user put there may be a trap
    with (folder / _LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def remove_folder() -> None:
    """Remove it again, after the last."""
    shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)


def free_slot(taken: Iterable[int]) -> int:
    """The first slot that no living worker has."""
    occupied = set(taken)
    return next(slot for slot in count() if slot not in occupied)


def take_slot(slot: int) -> None:
    """Count from here on in the files of this slot; called in the worker, before any metric.

    Raises RuntimeError where there are metrics already: they would count for nobody.
    """
    if "api.telemetry.metrics" in sys.modules:
        raise RuntimeError("api.telemetry.metrics must not be imported before the fork")
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def release_slot(slot: int) -> None:
    """Drop a dead worker's gauges; keep its counters."""
    mark_process_dead(slot)  # type: ignore[no-untyped-call]
