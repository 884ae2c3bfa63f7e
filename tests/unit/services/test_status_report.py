"""What /status computes from the metrics."""

from api.services.status_report import MetricSnapshot
from api.telemetry.metrics import Metrics


def test_query_that_finds_nothing_known_neither_needs_nor_saves_a_call() -> None:
    metrics = Metrics()
    for outcome, number in {"hit": 3, "miss": 1, "unknown": 10}.items():
        metrics.lookups.labels(outcome).inc(number)

    totals = MetricSnapshot(metrics.collect()).totals()

    assert (totals.lookups, totals.cache_hits, totals.upstream_needed) == (4, 3, 1)
