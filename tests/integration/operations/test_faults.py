"""A fault of Redis or Amadeus at a step of a short scenario: at every step, or at a telling one."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import Mock

import pytest

from tests.support import fault_stories
from tests.support.fault_stories import MAX_TRIES, Lane
from tests.support.faults import WAYS, Fault

ROOT: Final = Path(__file__).resolve().parents[3]
UNDER_GEVENT: Final = """
from gevent import monkey
from api.serving.polling import install_nonblocking_poll
install_nonblocking_poll()
monkey.patch_all()
from tests.support.fault_stories import main
main()
"""
# A scenario mostly waits, and a process plays only one at a time.
SHARES: Final = {"redis": 4, "amadeus": 2}
EVERY_FAULT: Final = pytest.param("every fault", marks=pytest.mark.sweep)

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]


@dataclass(frozen=True, slots=True)
class Seen:
    """The results of all faults."""

    played: dict[str, Counter[str]]
    findings: list[str]

    def of_kind(self, *kinds: str) -> list[str]:
        return [finding for finding in self.findings if finding.startswith(kinds)]


@pytest.fixture(scope="module", params=["a fault of each kind", EVERY_FAULT])
def seen(request: pytest.FixtureRequest) -> Seen:
    runs: list[tuple[str, ...]] = [(spoilt,) for spoilt in SHARES]
    if request.param == "every fault":
        runs = [
            (spoilt, str(share), str(of)) for spoilt, of in SHARES.items() for share in range(of)
        ]
    with ThreadPoolExecutor(len(runs)) as lanes:
        reports = list(lanes.map(play, runs))
    played = {spoilt: Counter[str]() for spoilt in SHARES}
    for (spoilt, *_), report in zip(runs, reports, strict=True):
        played[spoilt].update(report["played"])
    for spoilt, ways in played.items():
        slowest = max(
            report["slowest"]
            for (of, *_), report in zip(runs, reports, strict=True)
            if of == spoilt
        )
        told = ", ".join(f"{number} {way}" for way, number in ways.items())
        print(f"faults of {spoilt}: {ways.total()} ({told}); slowest answer {slowest:.1f} s")  # noqa: T201
    return Seen(played, [finding for report in reports for finding in report["findings"]])


def play(options: tuple[str, ...]) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    report: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return report


def test_responses_under_fault_are_correct_or_documented_errors_in_time(seen: Seen) -> None:
    assert seen.of_kind("wrong", "late") == []


def test_service_recovers_after_every_fault(seen: Seen) -> None:
    assert seen.of_kind("unwell") == []


def test_faults_leave_nothing_behind(seen: Seen) -> None:
    assert seen.of_kind("left") == []


def test_faults_of_every_kind_are_injected(seen: Seen) -> None:
    assert set(+seen.played["redis"]) == set(+seen.played["amadeus"]) == set(WAYS)


@pytest.mark.parametrize("seen", [EVERY_FAULT], indirect=True)
def test_number_of_injected_faults_matches_the_documentation(seen: Seen) -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = re.search(r"more than (\d+) faults of Redis and (\d+) of Amadeus", text)
    assert documented is not None
    assert seen.played["redis"].total() > int(documented[1])
    assert seen.played["amadeus"].total() > int(documented[2])


def test_story_of_a_process_that_is_always_paused_is_played_five_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def always() -> Iterator[list[float]]:
        yield [1.0]

    played = SimpleNamespace(findings=["unwell: not ready"], slowest=0.1)
    lane = Lane(Mock(), Mock(), Mock(), "redis")
    monkeypatch.setattr(fault_stories, "longest_pause", always)
    monkeypatch.setattr(lane, "_play_once", play := Mock(return_value=played))

    lane.play(Fault(1))

    assert play.call_count == MAX_TRIES
    assert lane.findings == ["unwell: not ready"]
