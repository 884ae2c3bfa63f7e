"""Any worker can record the status history, which survives that worker."""

import fcntl
import threading
from itertools import count
from pathlib import Path

import pytest
import structlog

from api.services.status_history import MAX_POINTS, STEP_SECONDS, History, Totals


class Clock:
    """A clock that moves only when set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def worker(folder: Path, clock: Clock) -> History:
    numbers = count(1)
    return History(folder, lambda: Totals(next(numbers)), clock=clock)


def test_workers_together_write_one_point_per_step(tmp_path: Path, clock: Clock) -> None:
    first, second = worker(tmp_path, clock), worker(tmp_path, clock)

    for _ in range(3):
        first.record_if_due()
        second.record_if_due()
        clock.now += STEP_SECONDS

    assert [point.at for point in second.points()] == [1000.0, 1010.0, 1020.0]


def test_history_is_continued_by_another_worker(tmp_path: Path, clock: Clock) -> None:
    worker(tmp_path, clock).record_if_due()
    clock.now += STEP_SECONDS

    worker(tmp_path, clock).record_if_due()

    assert len(worker(tmp_path, clock).points()) == 2


def test_history_keeps_only_the_last_minutes(tmp_path: Path, clock: Clock) -> None:
    recorder = worker(tmp_path, clock)
    for _ in range(MAX_POINTS + 5):
        recorder.record_if_due()
        clock.now += STEP_SECONDS

    points = recorder.points()

    assert len(points) == MAX_POINTS
    assert points[-1].totals.lookups == MAX_POINTS + 5


def test_busy_lock_on_the_history_delays_no_worker(tmp_path: Path, clock: Clock) -> None:
    with (tmp_path / "history.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        worker(tmp_path, clock).record_if_due()

    assert worker(tmp_path, clock).points() == []


def test_single_process_has_no_history() -> None:
    alone = History(None, Totals)

    alone.record_if_due()

    assert alone.points() == []


def test_recording_continues_after_an_error_and_logs_it(tmp_path: Path) -> None:
    recorded, errors = threading.Event(), [OSError(24, "Too many open files")]

    def totals() -> Totals:
        if errors:
            raise errors.pop()
        recorded.set()
        return Totals()

    recorder = History(tmp_path, totals, step_seconds=0.01)
    with structlog.testing.capture_logs() as said:
        recorder.start()
        assert recorded.wait(5)
        recorder.stop()
    assert [line["event"] for line in said] == ["history.failed"]
