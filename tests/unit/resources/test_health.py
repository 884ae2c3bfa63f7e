"""Probes, version, and unknown paths."""

from collections.abc import Iterator

import pytest

from api import __version__
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
def test_trailing_slash_is_optional(service: LocalService, path: str) -> None:
    assert service.get(path).status_code == service.get(f"{path}/").status_code


def test_healthz_is_constant(service: LocalService) -> None:
    answer = service.get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_response_bodies_end_with_a_newline(service: LocalService, path: str) -> None:
    assert service.get(path).text.endswith("}\n")


def test_version_names_the_build_and_no_other_software(service: LocalService) -> None:
    version = service.get("/version").json

    assert version == {"name": "flight-price-api", "version": __version__}


@pytest.mark.parametrize("path", ["/flights", "/flights/price/JFK", "/nope", "/..%2f..%2fetc"])
def test_unknown_path_is_a_404_that_names_the_price_path(service: LocalService, path: str) -> None:
    answer = service.get(path)

    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "/flights/price?origin=" in answer.json["detail"]
    assert "/docs" in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/health", "/healthz"), ("/flight/price", "/flights/price"), ("/ready", "/readyz")],
)
def test_misspelt_path_is_a_404_that_suggests_the_right_one(
    service: LocalService, path: str, meant: str
) -> None:
    assert f"did you mean {meant}?" in service.get(path).json["detail"]


def test_every_documented_path_is_suggested(service: LocalService) -> None:
    for path in service.get("/openapi.json").json["paths"].keys() - {"/"}:
        assert f"did you mean {path}?" in service.get(f"{path}-").json["detail"]


def test_file_of_a_page_is_not_suggested(service: LocalService) -> None:
    assert "did you mean" not in service.get("/docs/page.cs").json["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/flights/price", "/ping", "/healthz"])
def test_unsupported_method_is_a_405_that_names_the_allowed_ones(
    service: LocalService, path: str, method: str
) -> None:
    answer = service.client.simulate_request(method, path)

    assert (answer.status_code, answer.json["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_errors_carry_their_request_id(service: LocalService) -> None:
    answer = service.get("/nope", {"X-Request-ID": "mine"})

    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Cache-Control"] == "no-store"


def test_error_is_json_even_for_clients_that_accept_only_xml(service: LocalService) -> None:
    answer = service.get("/nope", {"Accept": "application/xml"})

    assert answer.headers["Content-Type"] == "application/problem+json"
