"""Tracing needs packages that the service alone does not, and says so."""

import pytest

from api import tracing
from api.loading import load_settings

URL = "http://collector:4318"


def test_with_its_packages_a_collector_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", URL)

    assert load_settings().otel_exporter_otlp_endpoint == URL


def test_without_them_the_process_ends_with_the_line_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", URL)
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)

    with pytest.raises(SystemExit):
        load_settings()

    assert (
        ".venv/bin/pip install --require-hashes -r requirements-tracing.txt"
        in capsys.readouterr().err
    )


def test_without_a_collector_a_span_is_nothing() -> None:
    headers: dict[str, str] = {}

    with tracing.span("cache") as span, tracing.call_span("amadeus") as call:
        span.set_attribute("cache.outcome", "hit")
        call.set_attribute("http.response.status_code", 200)
        tracing.inject(headers)

    assert span is call
    assert headers == {}
