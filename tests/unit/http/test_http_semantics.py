"""HTTP as proxies and browsers expect it: HEAD, OPTIONS, ETag, CORS."""

from collections.abc import Iterator

import pytest

from tests.support.clients.in_process import LocalService

PATHS = (
    *("/flights/ping", "/ping", "/healthz", "/readyz", "/version"),
    *("/metrics", "/openapi.json", "/docs", "/docs/page.js", "/", "/page/main.js"),
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
def test_head_response_has_the_headers_of_get_and_no_body(service: LocalService, path: str) -> None:
    get, head = service.get(path), service.client.simulate_request("HEAD", path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    if path not in ("/metrics", "/readyz"):
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_of_a_price_reports_its_freshness(service: LocalService) -> None:
    response = service.price("HEAD")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["X-Cache"] == "hit"
    assert response.headers["ETag"] == service.price("GET").headers["ETag"]


@pytest.mark.parametrize("path", ["/flights/price", *PATHS])
def test_options_names_the_methods(service: LocalService, path: str) -> None:
    response = service.client.simulate_request("OPTIONS", path)

    assert (response.status_code, response.content) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) >= {"GET", "HEAD"}


def test_unsupported_method_is_answered_with_the_allowed_ones(service: LocalService) -> None:
    response = service.price("DELETE")

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_matching_etag_gets_304(service: LocalService, form: str) -> None:
    etag = service.price("GET").headers["ETag"]

    response = service.price("GET", {"If-None-Match": form.format(etag)})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag
    assert response.headers["Cache-Control"] == "max-age=600"


@pytest.mark.parametrize("sent", ['"another"', "nonsense", '"', ""])
def test_different_etag_gets_the_full_response(service: LocalService, sent: str) -> None:
    assert service.price("GET", {"If-None-Match": sent}).status_code == 200


def test_trailing_slash_changes_nothing(service: LocalService) -> None:
    for path in PATHS:
        assert service.get(path + "/").status_code == 200, path


def test_responses_are_not_compressed_by_the_service(service: LocalService) -> None:
    response = service.price("GET", {"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz", "/version"])
def test_probe_answers_are_not_cacheable(service: LocalService, path: str) -> None:
    assert service.get(path).headers["Cache-Control"] == "no-store"


def test_cross_origin_reads_are_denied_by_default(service: LocalService) -> None:
    response = service.price("GET", {"Origin": ORIGIN})

    assert not [name for name in response.headers if name.startswith("access-control")]


def test_configured_origin_may_read_the_response_and_its_headers(
    open_service: LocalService,
) -> None:
    response = open_service.price("GET", {"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert "X-Cache" in exposed
    assert len(exposed) == len(set(exposed))
    assert response.headers["Vary"] == "Origin"


def test_unconfigured_origin_may_not_read_the_response(open_service: LocalService) -> None:
    response = open_service.price("GET", {"Origin": "https://evil.example"})

    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


def test_configured_origin_may_read_errors_too(open_service: LocalService) -> None:
    response = open_service.get("/flights/price", {"Origin": ORIGIN})

    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_cors_preflight_of_a_configured_origin_is_accepted(open_service: LocalService) -> None:
    asked = {"Method": "GET", "Headers": "x-request-id"}
    asks = {f"Access-Control-Request-{name}": value for name, value in asked.items()}

    response = open_service.price("OPTIONS", {"Origin": ORIGIN, **asks})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "x-request-id"


def test_metrics_response_varies_by_accept(service: LocalService) -> None:
    assert service.get("/metrics").headers["Vary"] == "Accept"


@pytest.mark.parametrize("path", ["/flights/ping", "/flights/price", "/docs", "/nope", "/metrics"])
def test_responses_carry_security_headers(service: LocalService, path: str) -> None:
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
