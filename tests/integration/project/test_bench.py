"""Every benchmark still runs. Each is kept short, and no timing is asserted."""

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(180)]

_ROOT = Path(__file__).resolve().parents[3]
_PYTHON = _ROOT / ".venv-bench" / "bin" / "python"


def measured(module: str, *options: str) -> str:
    """The output of a benchmark."""
    done = subprocess.run(
        [_PYTHON, "-m", f"bench.{module}", *options],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bench_peers_give_the_same_answers_as_the_service() -> None:
    report = measured("hits", "--seconds", "0")
    for contender in ("bare Falcon", "this service", "Flask", "Django", "FastAPI", "nginx"):
        assert contender in report


def test_bench_measures_hits_beside_the_theoretical_limit_and_without_the_copy() -> None:
    report = measured("hits", "--seconds", "1", "--rounds", "1", "--only", "the worker's copy")
    for contender in ("bare Falcon", "this service", "without the worker's copy"):
        assert f"| {contender} |" in report


def test_bench_measures_the_cost_of_observability() -> None:
    report = measured("watching", "--seconds", "1", "--rounds", "1", "--only", "all spans")
    for way in ("this service", "with all spans"):
        assert f"| {way} |" in report


def test_bench_measures_the_budget_of_a_hit() -> None:
    report = measured("hit_budget", "--seconds", "1")
    assert "| log |" in report
    assert "| gunicorn, the request |" in report


def test_bench_compares_the_hits_of_two_checkouts() -> None:
    report = measured("compare", str(_ROOT), "--pairs", "2", "--rounds", "10")
    ratio = float(report.partition("median ratio ")[2].split(",")[0])
    assert 0.5 < ratio < 2


def test_bench_measures_calendars() -> None:
    assert "1 months of 31 days" in measured("calendar", "--months", "1")


def test_bench_measures_misses() -> None:
    report = measured("misses", "--seconds", "1")
    for relation in ("plain HTTP", "plain HTTP, with `AMADEUS_RATE_LIMIT`", "TLS"):
        assert f"| {relation} |" in report


def test_bench_measures_the_start() -> None:
    report = measured("startup", "--rounds", "1")
    assert "| to the first price |" in report


def test_bench_compares_ways_to_serve() -> None:
    report = measured(
        "worker_classes",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--reloads",
        "1",
        "--only",
        "64 threads",
    )
    assert "| gthread, 64 threads |" in report


def test_bench_measures_crowds() -> None:
    report = measured("crowd", "--seconds", "1", "--rounds", "1", "--clients", "100")
    assert "| shares (in use) | 100 |" in report


def test_bench_compares_sizes() -> None:
    report = measured("worker_sizes", "--seconds", "1", "--only", "backlog")
    assert "| 2048 | 900 |" in report


def test_bench_measures_redis_memory() -> None:
    assert "1,000 prices in Redis" in measured("sizing", "--prices", "1000")


def test_bench_simulates_the_cost_at_scale() -> None:
    report = measured("simulate", "--seconds", "100", "--routes", "10", "1000", "--prices", "100")
    assert "| 1,000 |" in report
    # The first row of that name is about single prices alone, the last one about calendars.
    *_, row = [line for line in report.splitlines() if line.startswith("| 1,000 |")]
    alone, beside, days = (float(cell) for cell in row.split("|")[2:5])
    assert alone < beside < alone + days


def test_simulation_makes_one_call_per_window_for_routes_that_stay_warm() -> None:
    one_route = ("--routes", "1", "--ttl", "10", "--seconds", "95", "--latency", "0.01")
    report = measured("simulate", *one_route, "--rate", "100", "--prices", "100")
    requests = 95 * 100
    read_through, least = (float(cell) * requests / 1000 for cell in cells(report, "1")[:2])
    assert round(least) == 10
    # Refreshes of so short a TTL come a tenth before its end, however many processes there are.
    assert 10 <= round(read_through) <= 12


def cells(report: str, row: str) -> list[str]:
    """The cells of the first row of that name."""
    line = next(line for line in report.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]
