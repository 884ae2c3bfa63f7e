"""/metrics covers one service, in the format that the client accepts."""

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.clients.in_process import LocalService
from tests.support.metrics_page import labels, samples, value


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


def test_openmetrics_is_served_on_request(service: LocalService) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    response = service.get("/metrics", {"Accept": accept})

    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]


def test_openmetrics_is_not_served_to_clients_that_prefer_text(service: LocalService) -> None:
    accept = "text/plain, application/openmetrics-text;q=0"

    response = service.get("/metrics", {"Accept": accept})

    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=x", "a;q=b"]
)
def test_malformed_accept_header_is_tolerated(service: LocalService, accept: str) -> None:
    assert service.get("/metrics", {"Accept": accept}).status_code == 200


def test_counters_exist_before_their_first_event() -> None:
    with LocalService() as service:
        page = service.get("/metrics").text
        problems = labels(service, "problems_total", "code")

    name = "flight_price_upstream_call_duration_seconds_count"
    assert f'{name}{{call="search",status="200"}} 0.0' in page
    assert problems >= {"no-offers", "amadeus-quota", "not-found"}


def test_build_version_is_visible_in_metrics(service: LocalService) -> None:
    (build,) = samples(service, "flight_price_build_info")

    assert build.labels["version"] == service.get("/version").json["version"]
    assert build.labels["environment"] == "sandbox"


def test_two_services_in_one_process_share_no_metrics(service: LocalService) -> None:
    service.get("/ping")

    with LocalService() as other:
        assert value(service, "http_request_duration_seconds_count", route="/ping") == 1
        assert value(other, "http_request_duration_seconds_count", route="/ping") == 0
        assert value(service, "workers") == value(other, "workers") == 1
