"""docs/observability.md lists every metric with its own help text."""

from pathlib import Path

import pytest
from prometheus_client import Counter, Histogram, values
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from api.serving import metrics_folder
from api.telemetry.metrics import Metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "observability.md"
DECLARED = [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]


def row(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = family.name + ("_total" if isinstance(metric, Counter) else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - no other way
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def test_observability_page_lists_exactly_the_exported_metrics() -> None:
    listed = [line for line in PAGE.read_text().splitlines() if line.startswith("| `flight_price_")]

    assert listed == [row(metric) for metric in DECLARED]


def test_undeclared_route_or_method_creates_no_metric_label() -> None:
    metrics = Metrics()

    metrics.request_served(None, "BREW", 404, 0.001)

    assert samples(metrics.http_requests) == {("unmatched", "other", "404")}


def test_unknown_status_creates_no_metric_label() -> None:
    metrics = Metrics()

    metrics.called("search", 799, 0.1)

    assert samples(metrics.upstream_calls) == {("search", "200"), ("search", "other")}


def samples(metric: Histogram) -> set[tuple[str, ...]]:
    (family,) = metric.collect()
    return {
        tuple(sample.labels.values()) for sample in family.samples if sample.name.endswith("_count")
    }


def test_metrics_of_a_worker_are_counted_in_the_files_of_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)  # restored after the test
    metrics_folder.take_slot(7)

    Metrics().problem_answered("not-found")

    raw = MmapedDict.read_all_values_from_file(str(tmp_path / "counter_7.db"))  # type: ignore[no-untyped-call]
    assert 1.0 in [value for key, value, *_ in raw if "not-found" in key]


def test_metric_file_that_is_still_empty_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    written = MmapedDict(str(tmp_path / "counter_0.db"))  # type: ignore[no-untyped-call]
    written.write_value(mmap_key("calls", "calls_total", [], [], "Calls."), 3, 0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    (tmp_path / "counter_1.db").touch()  # the length field comes next

    page, _ = Metrics().exposition(open_metrics=False)

    assert b"calls_total 3.0" in page
