"""HTTP as proxies and browsers expect it: HEAD, OPTIONS, ETag, CORS."""

from collections.abc import Iterator

import pytest

from tests.support.clients.in_process import LocalService

PATHS = (
    *("/flights/ping", "/ping", "/healthz", "/readyz", "/version"),
    *("/metrics", "/openapi.json", "/docs", "/docs/page.js"),
)
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        service.price()
        yield service


@pytest.fixture(scope="module")
def open_service() -> Iterator[LocalService]:
    with LocalService(cors_origins=f"{ORIGIN},https://b.example") as service:
        yield service


@pytest.mark.parametrize("path", PATHS)
def test_head_says_what_get_says_without_the_body(service: LocalService, path: str) -> None:
    get, head = service.get(path), service.client.simulate_request("HEAD", path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    if path not in ("/metrics", "/readyz"):
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_of_a_price_tells_its_freshness(service: LocalService) -> None:
    response = service.price("HEAD")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["X-Cache"] == "hit"
    assert response.headers["ETag"] == service.price("GET").headers["ETag"]


@pytest.mark.parametrize("path", ["/flights/price", *PATHS])
def test_options_names_the_methods(service: LocalService, path: str) -> None:
    response = service.client.simulate_request("OPTIONS", path)

    assert (response.status_code, response.content) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) >= {"GET", "HEAD"}


def test_another_method_is_told_the_right_ones(service: LocalService) -> None:
    response = service.price("DELETE")

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_an_answer_that_the_client_has_is_not_sent_again(service: LocalService, form: str) -> None:
    etag = service.price("GET").headers["ETag"]

    response = service.price("GET", {"If-None-Match": form.format(etag)})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag
    assert response.headers["Cache-Control"] == "max-age=600"


@pytest.mark.parametrize("sent", ['"another"', "nonsense", '"', ""])
def test_another_etag_gets_the_answer(service: LocalService, sent: str) -> None:
    assert service.price("GET", {"If-None-Match": sent}).status_code == 200


def test_a_slash_at_the_end_changes_nothing(service: LocalService) -> None:
    for path in PATHS:
        assert service.get(path + "/").status_code == 200, path


def test_gzip_is_left_to_the_proxy(service: LocalService) -> None:
    response = service.price("GET", {"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_probe_answers_are_not_cacheable(service: LocalService, path: str) -> None:
    assert service.get(path).headers["Cache-Control"] == "no-store"


def test_no_other_origin_may_read_by_default(service: LocalService) -> None:
    response = service.price("GET", {"Origin": ORIGIN})

    assert not [name for name in response.headers if name.startswith("access-control")]


def test_an_origin_that_is_set_may_read_the_answer_and_its_headers(
    open_service: LocalService,
) -> None:
    response = open_service.price("GET", {"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert "X-Cache" in exposed
    assert len(exposed) == len(set(exposed))
    assert response.headers["Vary"] == "Origin"


def test_another_origin_may_not(open_service: LocalService) -> None:
    response = open_service.price("GET", {"Origin": "https://evil.example"})

    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


def test_an_error_may_be_read_as_well(open_service: LocalService) -> None:
    response = open_service.get("/flights/price", {"Origin": ORIGIN})

    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_browser_that_asks_before_it_asks_is_let_through(open_service: LocalService) -> None:
    asked = {"Method": "GET", "Headers": "x-request-id"}
    asks = {f"Access-Control-Request-{name}": value for name, value in asked.items()}

    response = open_service.price("OPTIONS", {"Origin": ORIGIN, **asks})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "x-request-id"


def test_metrics_in_two_formats_vary_by_what_was_asked_for(service: LocalService) -> None:
    assert service.get("/metrics").headers["Vary"] == "Accept"


@pytest.mark.parametrize("path", ["/flights/ping", "/flights/price", "/docs", "/nope", "/metrics"])
def test_every_answer_tells_browsers_to_be_careful(service: LocalService, path: str) -> None:
    headers = service.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_content_security_policy_allows_nothing_inline_and_no_other_host(
    service: LocalService,
) -> None:
    policy = service.get("/status").headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
