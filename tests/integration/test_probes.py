"""What operators and orchestrators ask, and every other path."""

from collections.abc import Iterator

import httpx2
import pytest

from api import __version__
from api.resources.problems import PATHS
from tests.processes import eventually, first_good
from tests.redis_server import RedisServer
from tests.sandbox_server import SandboxServer
from tests.service import Service


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/ping", "/ping/", "/flights/ping", "/flights/ping/", "/ping?whatever=1"]
)
def test_ping_answers_pong(service: Service, path: str) -> None:
    answer = service.get(path)

    assert (answer.status_code, answer.json()) == (200, {"data": "pong"})
    assert answer.headers["Content-Type"] == "application/json"


def test_ping_touches_neither_redis_nor_amadeus() -> None:
    with (
        SandboxServer() as sandbox,
        RedisServer() as redis,
        Service.on(sandbox, redis_url=redis.url, web_concurrency=2) as service,
    ):
        eventually(lambda: len(service.log("service.warmed")) == 2)
        sandbox.clear()
        redis.forget_commands()
        answers = [service.get("/flights/ping").status_code for _ in range(20)]
        asked = redis.commands()
        calls = sandbox.counters()

    assert answers == [200] * 20
    assert asked == set()
    assert calls["search"]["calls"] == calls["token"]["calls"] == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/flights/price"])
def test_a_trailing_slash_is_optional(service: Service, path: str) -> None:
    assert service.get(path).status_code == service.get(f"{path}/").status_code


def test_healthz_is_constant(service: Service) -> None:
    answer = service.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_an_answer_ends_its_line(service: Service, path: str) -> None:
    assert service.get(path).text.endswith("}\n")


def test_version_tells_the_build(service: Service) -> None:
    version = service.get("/version").json()

    assert (version["name"], version["version"]) == ("flight-price-api", __version__)


def test_readyz_tells_how_each_dependency_is(service: Service) -> None:
    answer = service.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert checks(answer) == {"cache": "ok", "token": "ok", "amadeus": "ok"}


def test_without_redis_it_is_degraded_and_still_wants_requests() -> None:
    with RedisServer() as redis, Service(redis_url=redis.url, web_concurrency=1) as service:
        redis.kill()
        service.price()

        answer = first_good(lambda: service.get("/readyz"), lambda now: b"unav" in now.content)

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks(answer) == {"cache": "unavailable", "token": "ok", "amadeus": "ok"}


def test_without_a_token_it_is_degraded_and_still_wants_requests() -> None:
    with (
        SandboxServer("--fault", "token:status=401") as sandbox,
        Service.on(sandbox) as service,
    ):
        answer = service.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks(answer)["token"] == "missing"


def checks(answer: httpx2.Response) -> dict[str, str]:
    """What readyz tells of each dependency."""
    return {name: check["status"] for name, check in answer.json()["checks"].items()}


@pytest.mark.parametrize("path", ["/", "/flights", "/flights/price/JFK", "/nope", "/..%2f..%2fetc"])
def test_an_unknown_path_is_a_404_that_shows_where_prices_are(service: Service, path: str) -> None:
    answer = service.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "/flights/price?origin=" in answer.json()["detail"]
    assert "/docs" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/health", "/healthz"), ("/flight/price", "/flights/price"), ("/ready", "/readyz")],
)
def test_a_misspelt_path_is_answered_with_the_one_that_was_meant(
    service: Service, path: str, meant: str
) -> None:
    assert f"did you mean {meant}?" in service.get(path).json()["detail"]


def test_the_paths_that_may_be_meant_are_those_of_the_document(service: Service) -> None:
    assert set(PATHS) == set(service.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/flights/price", "/ping", "/healthz"])
def test_any_other_method_is_a_405_that_names_the_right_ones(
    service: Service, path: str, method: str
) -> None:
    answer = service.http.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_error_carries_its_request_id(service: Service) -> None:
    answer = service.http.get("/nope", headers={"X-Request-ID": "mine"})

    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_error_is_a_problem_even_for_those_who_want_xml(service: Service) -> None:
    answer = service.http.get("/nope", headers={"Accept": "application/xml"})

    assert answer.headers["Content-Type"] == "application/problem+json"
