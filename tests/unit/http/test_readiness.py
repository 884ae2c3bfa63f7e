"""/readyz stays 200 while a dependency fails, and names it."""

import pytest
from structlog.testing import capture_logs

from tests.support.clients.in_process import LocalService
from tests.support.metrics_page import value
from tests.support.servers.service import some_day


def test_readiness_without_a_token_is_degraded_and_200() -> None:
    service = LocalService()
    service.fault("token", "status", "401:38187")
    with service:
        answer = service.get("/readyz")

    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["token"] == {"status": "missing", "age": None}


def test_readiness_with_an_open_circuit_is_degraded_and_200() -> None:
    with LocalService() as service:
        service.fault("search", "status", "500")
        for adults in range(1, 10):
            service.price(adults=str(adults))

        answer = service.get("/readyz")
        opened = [value(service, name) for name in ("breaker_open_workers", "breaker_opened_total")]

    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["amadeus"]["status"] == "failing"
    assert opened == [1, 1]


def test_unusable_amadeus_answers_count_as_failures_in_readiness() -> None:
    with LocalService() as service, capture_logs() as record:
        for ahead in range(30, 40):
            service.fault("search", "html" if ahead < 35 else "missing_price")
            service.price(date=some_day(ahead))

        readiness, report = (service.get(path).json for path in ("/readyz", "/status.json"))
        counted = value(
            service,
            "upstream_call_duration_seconds_count",
            call="search",
            status="amadeus-bad-answer",
        )

    assert readiness["checks"]["amadeus"]["status"] == report["checks"]["amadeus"] == "failing"
    assert (report["status"], report["since_start"]["calls_saved"]) == ("degraded", 0)
    calls = [line for line in record if line["event"] == "amadeus.call"]
    assert [(line["status"], line["log_level"]) for line in calls] == [(200, "warning")] * 10
    assert counted == 10


def test_readiness_names_the_error_that_refuses_all_searches() -> None:
    with LocalService() as service:
        for refusal, standing in (("403:38197", "misconfigured"), ("429:38195", "quota")):
            service.fault("search", "status", refusal)
            service.price()
            report = service.get("/readyz").json

            assert (report["status"], report["checks"]["amadeus"]["status"]) == (
                "degraded",
                standing,
            )


@pytest.mark.parametrize(
    ("refusal", "standing"), [("403:38197", "misconfigured"), ("429:38195", "quota")]
)
def test_report_gives_the_same_reason_as_readiness(refusal: str, standing: str) -> None:
    with LocalService() as service:
        service.fault("search", "status", refusal)
        service.price()

        readiness, report = (service.get(path).json for path in ("/readyz", "/status.json"))

    assert readiness["checks"]["amadeus"]["status"] == report["checks"]["amadeus"] == standing
    assert readiness["status"] == report["status"] == "degraded"
