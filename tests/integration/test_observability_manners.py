"""HTTP as proxies, browsers and curl expect it, and docs/http.md as its record."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.service import Service, some_day

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text()
PATHS = (
    *("/flights/ping", "/ping", "/healthz", "/readyz", "/version"),
    *("/metrics", "/openapi.json", "/docs", "/docs/page.js"),
)
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as service:
        service.price()
        yield service


@pytest.fixture(scope="module")
def open_service() -> Iterator[Service]:
    with Service(cors_origins=f"{ORIGIN},https://b.example") as service:
        yield service


def price(service: Service, method: str, **headers: str) -> httpx2.Response:
    query = {"origin": "JFK", "destination": "LAX", "date": some_day()}
    return service.http.request(method, "/flights/price", params=query, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_head_says_what_get_says_without_the_body(service: Service, path: str) -> None:
    get, head = service.get(path), service.http.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    if path not in ("/metrics", "/readyz"):
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_of_a_price_tells_its_freshness(service: Service) -> None:
    response = price(service, "HEAD")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["X-Cache"] == "hit"
    assert response.headers["ETag"] == price(service, "GET").headers["ETag"]


@pytest.mark.parametrize("path", ["/flights/price", *PATHS])
def test_options_names_the_methods(service: Service, path: str) -> None:
    response = service.http.options(path)

    assert (response.status_code, response.content) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) >= {"GET", "HEAD"}


def test_another_method_is_told_the_right_ones(service: Service) -> None:
    response = price(service, "DELETE")

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_an_answer_that_the_client_has_is_not_sent_again(service: Service, form: str) -> None:
    etag = price(service, "GET").headers["ETag"]

    response = price(service, "GET", **{"If-None-Match": form.format(etag)})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag
    assert response.headers["Cache-Control"] == "max-age=600"


@pytest.mark.parametrize("sent", ['"another"', "nonsense", '"', ""])
def test_another_etag_gets_the_answer(service: Service, sent: str) -> None:
    assert price(service, "GET", **{"If-None-Match": sent}).status_code == 200


def test_a_slash_at_the_end_changes_nothing(service: Service) -> None:
    for path in PATHS:
        assert service.get(path + "/").status_code == 200, path


def test_gzip_is_left_to_the_proxy(service: Service) -> None:
    response = price(service, "GET", **{"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_what_a_probe_saw_is_for_no_cache(service: Service, path: str) -> None:
    assert service.get(path).headers["Cache-Control"] == "no-store"


def test_no_other_origin_may_read_by_default(service: Service) -> None:
    response = price(service, "GET", Origin=ORIGIN)

    assert not [name for name in response.headers if name.startswith("access-control")]


def test_an_origin_that_is_set_may_read_the_answer_and_its_headers(open_service: Service) -> None:
    response = price(open_service, "GET", Origin=ORIGIN)

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert "X-Cache" in exposed
    assert len(exposed) == len(set(exposed))
    assert response.headers["Vary"] == "Origin"


def test_another_origin_may_not(open_service: Service) -> None:
    response = price(open_service, "GET", Origin="https://evil.example")

    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


def test_an_error_may_be_read_as_well(open_service: Service) -> None:
    response = open_service.http.get("/flights/price", headers={"Origin": ORIGIN})

    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_browser_that_asks_before_it_asks_is_let_through(open_service: Service) -> None:
    asked = {"Method": "GET", "Headers": "x-request-id"}
    asks = {f"Access-Control-Request-{name}": value for name, value in asked.items()}

    response = price(open_service, "OPTIONS", Origin=ORIGIN, **asks)

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "x-request-id"


def test_metrics_in_two_formats_vary_by_what_was_asked_for(service: Service) -> None:
    assert service.get("/metrics").headers["Vary"] == "Accept"


def test_the_page_shows_what_curl_shows(service: Service) -> None:
    """The example on the page has the headers of a real answer, in their order."""
    assert shutil.which("curl")
    shown = re.search(r"```\n(HTTP/1.1 200 OK\n.*?)\n```", PAGE, re.DOTALL)
    assert shown
    url = f"{service.url}/flights/price?origin=JFK&destination=LAX&date={some_day()}"
    real = subprocess.run(["curl", "-si", url], capture_output=True, text=True, check=True).stdout

    assert names(real) == names(shown[1])


def test_the_page_explains_every_header(service: Service, open_service: Service) -> None:
    answers = [
        price(service, "GET"),
        price(service, "OPTIONS"),
        price(service, "DELETE"),
        service.get("/nowhere"),
        service.get("/docs"),
        price(open_service, "OPTIONS", Origin=ORIGIN, **{"Access-Control-Request-Method": "GET"}),
    ]

    explained = {name.lower() for name in re.findall(r"^\| `([A-Za-z-]+)` \|", PAGE, re.MULTILINE)}

    assert {name for answer in answers for name in answer.headers} <= explained


def names(answer: str) -> list[str]:
    lines = answer.replace("\r", "").split("\n\n")[0].splitlines()[1:]
    return [line.partition(":")[0].lower() for line in lines]
