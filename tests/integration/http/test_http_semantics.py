"""docs/http.md shows and explains the headers of real answers."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.servers.service import Service, some_day

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "http.md").read_text()
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


def test_http_page_shows_the_headers_of_a_real_answer(service: Service) -> None:
    """The example on the page has the headers of a real answer, in their order."""
    assert shutil.which("curl")
    shown = re.search(r"```\n(HTTP/1.1 200 OK\n.*?)\n```", PAGE, re.DOTALL)
    assert shown
    url = f"{service.url}/flights/price?origin=JFK&destination=LAX&date={some_day()}"
    real = subprocess.run(["curl", "-si", url], capture_output=True, text=True, check=True).stdout

    assert names(real) == names(shown[1])


def test_http_page_explains_every_header(service: Service, open_service: Service) -> None:
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
