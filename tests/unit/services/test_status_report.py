"""What /status computes from the metrics."""

from pathlib import Path

import pytest

from api.services.lifecycle import Check, Readiness
from api.services.status_history import History, Totals
from api.services.status_report import MetricSnapshot, Status
from api.telemetry.metrics import Metrics


def test_query_that_finds_nothing_known_neither_needs_nor_saves_a_call() -> None:
    metrics = Metrics()
    for outcome, number in {"hit": 3, "miss": 1, "unknown": 10}.items():
        metrics.lookups.labels(outcome).inc(number)

    totals = MetricSnapshot(metrics.collect()).totals()

    assert (totals.lookups, totals.cache_hits, totals.upstream_needed) == (4, 3, 1)


@pytest.mark.parametrize(("seen", "reported"), [("ok", "failing"), ("quota", "quota")])
def test_reason_of_failures_is_the_one_that_this_worker_saw(
    seen: str, reported: str, tmp_path: Path
) -> None:
    metrics, history = Metrics(), History(tmp_path, Totals)
    checks = {"amadeus": Check(seen, age=1.0)}
    readiness = Readiness("ready", can_serve=True, checks=checks)
    history.record_if_due()
    metrics.lookups.labels("error").inc(3)

    report = Status("test", lambda: readiness, history, metrics, uses_redis=False).report()

    assert report["checks"]["amadeus"] == reported
