"""The metrics of all workers: a folder in memory with files for each worker.

docs/architecture.md, section "The folder for metrics", says how it outlives workers and masters.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp creates a new, private folder in it
_PREFIX = "flight-price-api-"
_LOCK = "lock"


def create_folder() -> None:
    """Create the folder and remove those of dead masters. Call this before the first worker."""
    in_memory = os.access(_MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if in_memory else None))
    os.environ[_FOLDER] = str(folder)
    # Never closed, so that the lock lasts as long as the process. Renamed once it is locked.
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)
    for each in folder.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # its master is alive, or another process has removed it
            _remove_if_dead(each)


def _remove_if_dead(folder: Path) -> None:
    if folder.lstat().st_uid != os.getuid():
        return  # another user's folder is not trusted
    with (folder / _LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def remove_folder() -> None:
    """Remove the folder. Call this after the last worker has ended."""
    shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)


def free_slot(taken: Iterable[int]) -> int:
    """Return the first slot that is not taken."""
    occupied = set(taken)
    return next(slot for slot in count() if slot not in occupied)


def take_slot(slot: int) -> None:
    """Use the files of this slot for metrics that this process creates from now on."""
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def release_slot(slot: int) -> None:
    """Drop a dead worker's gauges; keep its counters."""
    mark_process_dead(slot)  # type: ignore[no-untyped-call]
