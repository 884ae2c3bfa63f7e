"""/readyz stays 200 while a dependency fails, and names it."""

import pytest

from tests.support.clients.in_process import LocalService


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

    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["amadeus"]["status"] == "failing"


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
