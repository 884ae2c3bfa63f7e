"""Ignav as an environment of the service, in its process."""

from tests.support.clients.in_process import InProcess
from tests.support.providers.ignav import KEY, Ignav, error, itinerary


def running(ignav: Ignav) -> InProcess:
    return InProcess(ignav.connections, amadeus_environment="ignav", ignav_api_key=KEY)


def test_price_and_offer_come_from_ignav_and_are_kept_for_minutes() -> None:
    ignav = Ignav(itinerary(306.85), itinerary(189.4))
    with running(ignav) as service:
        price = service.price()
        found = service.offer().json["data"]

    assert price.json["data"]["price"] == found["price"] == "189.40 USD"
    assert price.headers["X-Amadeus-Environment"] == "ignav"
    assert price.headers["Cache-Control"] == "max-age=300"
    assert found["airline"] == {"code": "DL", "name": "Delta Air Lines"}
    assert found["itineraries"][0]["segments"][0]["flight"] == "DL123"
    assert len(ignav.searches) == 1


def test_refused_key_is_a_misconfigured_service() -> None:
    ignav = Ignav()
    ignav.fail("search", 401, error("auth_error"))
    with running(ignav) as service:
        refused = service.price()
        readiness = service.get("/readyz").json

    assert (refused.status_code, refused.json["code"]) == (502, "amadeus-misconfigured")
    assert readiness["checks"]["amadeus"]["status"] == "misconfigured"


def test_failure_of_ignav_is_one_of_the_upstream() -> None:
    ignav = Ignav()
    with running(ignav) as service:
        ignav.fail("search", 424, error("upstream_error"))
        failed = service.price()

    assert (failed.status_code, failed.json["code"]) == (503, "amadeus-unavailable")
    assert len(ignav.searches) == 1
