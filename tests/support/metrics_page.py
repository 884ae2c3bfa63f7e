"""Reads /metrics as Prometheus does."""

from typing import Any, Protocol

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Readable(Protocol):
    """The service in another process or in this one."""

    def get(self, path: str) -> Any:
        """GET a path."""


def samples(service: Readable, name: str | None = None) -> list[Sample]:
    """The samples that the service exports now, all or of one name."""
    response = service.get("/metrics")
    assert response.status_code == 200, response.text
    return [
        sample
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if name in (None, sample.name)
    ]


def value(service: Readable, name: str, **labels: str) -> float:
    """The sum of the samples of that name with at least these labels."""
    return sum(
        sample.value
        for sample in samples(service, f"flight_price_{name}")
        if labels.items() <= sample.labels.items()
    )


def labels(service: Readable, name: str, label: str) -> set[str]:
    """All values of a label in the samples of that name."""
    return {sample.labels[label] for sample in samples(service, f"flight_price_{name}")}
