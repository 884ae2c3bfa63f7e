"""What operators and orchestrators ask, and every other path."""

from collections.abc import Iterator

import pytest

from api import __version__
from api.http.error_handlers import PATHS
from tests.support.clients.in_process import LocalService


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.mark.parametrize("path", ["/ping", "/ping/", "/flights/ping", "/flights/ping/"])
def test_ping_answers_pong(service: LocalService, path: str) -> None:
    answer = service.get(path)

    assert (answer.status_code, answer.json) == (200, {"data": "pong"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/flights/price"])
def test_a_trailing_slash_is_optional(service: LocalService, path: str) -> None:
    assert service.get(path).status_code == service.get(f"{path}/").status_code


def test_healthz_is_constant(service: LocalService) -> None:
    answer = service.get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_an_answer_ends_its_line(service: LocalService, path: str) -> None:
    assert service.get(path).text.endswith("}\n")


def test_version_tells_the_build_and_no_software_below_it(service: LocalService) -> None:
    version = service.get("/version").json

    assert version == {"name": "flight-price-api", "version": __version__}


@pytest.mark.parametrize("path", ["/", "/flights", "/flights/price/JFK", "/nope", "/..%2f..%2fetc"])
def test_an_unknown_path_is_a_404_that_shows_where_prices_are(
    service: LocalService, path: str
) -> None:
    answer = service.get(path)

    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "/flights/price?origin=" in answer.json["detail"]
    assert "/docs" in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/health", "/healthz"), ("/flight/price", "/flights/price"), ("/ready", "/readyz")],
)
def test_a_misspelt_path_is_answered_with_the_one_that_was_meant(
    service: LocalService, path: str, meant: str
) -> None:
    assert f"did you mean {meant}?" in service.get(path).json["detail"]


def test_the_paths_that_may_be_meant_are_those_of_the_document(service: LocalService) -> None:
    assert set(PATHS) == set(service.get("/openapi.json").json["paths"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/flights/price", "/ping", "/healthz"])
def test_any_other_method_is_a_405_that_names_the_right_ones(
    service: LocalService, path: str, method: str
) -> None:
    answer = service.client.simulate_request(method, path)

    assert (answer.status_code, answer.json["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_error_carries_its_request_id(service: LocalService) -> None:
    answer = service.get("/nope", {"X-Request-ID": "mine"})

    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_error_is_a_problem_even_for_those_who_want_xml(service: LocalService) -> None:
    answer = service.get("/nope", {"Accept": "application/xml"})

    assert answer.headers["Content-Type"] == "application/problem+json"
