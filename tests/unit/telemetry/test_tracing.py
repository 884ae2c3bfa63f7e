"""Tracing needs optional packages, and an error says which."""

from contextvars import copy_context

import pytest

from api.settings import load_settings
from api.telemetry import tracing

URL = "http://collector:4318"


def test_collector_setting_is_accepted_with_the_packages_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", URL)

    assert load_settings().otel_exporter_otlp_endpoint == URL


def test_missing_tracing_packages_error_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", URL)
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)

    with pytest.raises(SystemExit):
        load_settings()

    assert (
        ".venv/bin/pip install --require-hashes -r requirements/tracing.txt"
        in capsys.readouterr().err
    )


def test_span_without_a_collector_does_nothing() -> None:
    headers: dict[str, str] = {}

    with tracing.span("cache") as span, tracing.span("amadeus", is_call=True) as call:
        span.set_attribute("cache.outcome", "hit")
        call.set_attribute("http.response.status_code", 200)
        tracing.inject(headers)

    assert span is call
    assert headers == {}


class FullSampler:
    """A sampler whose limit for this second is reached."""

    def take(self) -> bool:
        return False


def test_uncollected_trace_of_untrusted_client_is_passed_on_as_unsampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
    monkeypatch.setattr(tracing, "_sampler", FullSampler())
    monkeypatch.setattr(tracing, "_tracer", object())

    def asked() -> tuple[str | None, dict[str, str]]:
        trace_id, _ = tracing.request_span(
            "GET", {"traceparent": f"{trace_parent}03"}, trusted=False
        )
        headers: dict[str, str] = {}
        tracing.inject(headers)
        return trace_id, headers

    result = copy_context().run(asked)

    assert result == ("0af7651916cd43dd8448eb211c80319c", {"traceparent": f"{trace_parent}02"})
