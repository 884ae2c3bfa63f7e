"""GET / answers browsers with a page, and programs with a list of the endpoints."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.resources.static_pages import FRONT
from tests.support.clients.in_process import LocalService

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FILES = sorted(FRONT.iterdir())


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture(scope="module")
def keyed() -> Iterator[LocalService]:
    with LocalService(api_keys="the-key-of-the-client", client_rate_limit=1) as service:
        yield service


@pytest.mark.parametrize("accept", [BROWSER, "Text/HTML", "application/json;q=0.5, text/html"])
def test_client_that_names_html_gets_the_page(service: LocalService, accept: str) -> None:
    answer = service.get("/", {"Accept": accept})

    assert (answer.status_code, answer.headers["Vary"]) == (200, "Accept")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/plain", "text/html;q=0.5, application/json"]
)
def test_other_client_gets_a_list_of_the_endpoints(service: LocalService, accept: str) -> None:
    answer = service.get("/", {"Accept": accept})

    assert (answer.status_code, answer.headers["Vary"]) == (200, "Accept")
    assert answer.headers["Content-Type"] == "application/json"
    described = service.get("/openapi.json").json["paths"].keys()
    assert answer.json["paths"].keys() == described | {"/mcp"}
    assert all(answer.json["paths"].values())
    assert len(answer.content) < 2000


@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_front_page_revalidates_with_its_own_etag(service: LocalService, accept: str) -> None:
    first = service.get("/", {"Accept": accept})
    known = first.headers["ETag"]

    again = service.get("/", {"Accept": accept, "If-None-Match": known})

    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["ETag"], again.headers["Vary"]) == (known, "Accept")
    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-cache"


def test_page_and_list_have_different_etags(service: LocalService) -> None:
    etags = {service.get("/", {"Accept": accept}).headers["ETag"] for accept in (BROWSER, "*/*")}

    assert len(etags) == 2


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.suffix != ".html"], ids=lambda file: file.name
)
def test_files_of_the_page_are_open_and_never_sniffed(keyed: LocalService, file: Path) -> None:
    answer = keyed.get(f"/page/{file.name}")

    kind = {".js": "text/javascript", ".css": "text/css"}[file.suffix]
    assert (answer.status_code, answer.content) == (200, file.read_bytes())
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_page_may_load_only_scripts_and_styles_of_its_own(service: LocalService) -> None:
    policy = service.get("/", {"Accept": BROWSER}).headers["Content-Security-Policy"]
    allowed = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert allowed["default-src"] == allowed["form-action"] == "'none'"
    assert {allowed[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in policy


@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_front_page_needs_no_key_and_counts_against_no_limit(
    keyed: LocalService, accept: str
) -> None:
    statuses = [keyed.get("/", {"Accept": accept}).status_code for _ in range(3)]

    assert statuses == [200, 200, 200]


def test_page_contains_nothing_inline_and_no_markup_made_of_data() -> None:
    page = (FRONT / "page.html").read_text()
    scripts = "".join(file.read_text() for file in FILES if file.suffix == ".js")

    assert page.count("<script") == page.count('<script type="module" src="/page/')
    assert "<style" not in page
    assert " style=" not in page
    assert [
        name
        for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write")
        if name in scripts
    ] == []
