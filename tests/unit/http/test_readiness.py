"""/readyz stays 200 while something else than the service fails, and names it."""

from tests.support.clients.in_process import LocalService


def test_without_a_token_it_is_degraded_and_ready() -> None:
    service = LocalService()
    service.fault("token", "status", "401:38187")
    with service:
        answer = service.get("/readyz")

    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["token"] == {"status": "missing", "age": None}


def test_with_calls_held_back_it_is_degraded_and_ready() -> None:
    with LocalService() as service:
        service.fault("search", "status", "500")
        for adults in range(1, 10):
            service.price(adults=str(adults))

        answer = service.get("/readyz")

    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["amadeus"]["status"] == "failing"


def test_a_refusal_of_all_searches_is_named() -> None:
    with LocalService() as service:
        for refusal, standing in (("403:38197", "misconfigured"), ("429:38195", "quota")):
            service.fault("search", "status", refusal)
            service.price()
            report = service.get("/readyz").json

            assert (report["status"], report["checks"]["amadeus"]["status"]) == (
                "degraded",
                standing,
            )
