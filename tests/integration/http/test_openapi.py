"""Real clients of /openapi.json: schemathesis and the page /docs in a browser."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.processes import eventually
from tests.support.servers.browser import CLOSES_SOON, complaints, requested, tab
from tests.support.servers.service import Service

ROOT = Path(__file__).resolve().parents[3]
CLIENT, OPERATOR = "the-key-of-the-client", "the-key-of-the-operator"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(web_concurrency=2, **CLOSES_SOON) as service:
        yield service


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    with Service(api_keys=CLIENT, operator_keys=OPERATOR) as service:
        yield service


@pytest.mark.timeout(180)
@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=pytest.mark.sweep)])
def test_schemathesis_finds_no_violation(service: Service, tmp_path: Path, examples: int) -> None:
    found_nothing(service, tmp_path, "--max-examples", str(examples))


@pytest.mark.timeout(180)
def test_schemathesis_finds_no_violation_with_an_operator_key(
    keyed: Service, tmp_path: Path
) -> None:
    key = ("--header", f"X-API-Key: {OPERATOR}")
    found_nothing(keyed, tmp_path, "--max-examples", "9", "--phases", "fuzzing", *key)


def found_nothing(service: Service, folder: Path, *options: str) -> None:
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"}
    checks = ("--checks", "all", "--continue-on-failure")
    run = subprocess.run(
        [str(SCHEMATHESIS), "run", f"{service.url}/openapi.json", *checks, *options],
        cwd=folder,
        env={**os.environ, **hooks},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert re.search(r"(\d+) generated, \1 passed", run.stdout), run.stdout


@pytest.fixture(scope="module")
def docs(service: Service, chromium: Chrome) -> Iterator[Chrome]:
    """The page /docs, which takes seconds of processor time to appear."""
    with tab(chromium) as chrome:
        chrome.get(f"{service.url}/docs")
        eventually(lambda: chrome.find_elements(By.CLASS_NAME, "opblock-summary-path"))
        yield chrome


def test_docs_page_shows_every_path(service: Service, docs: Chrome) -> None:
    shown = docs.find_elements(By.CLASS_NAME, "opblock-summary-path")
    paths = {path.get_attribute("data-path") for path in shown}
    assert paths == set(service.get("/openapi.json").json()["paths"])
    assert paths >= {"/flights/price", "/flights/offer", "/flights/calendar"}


@pytest.mark.parametrize(
    ("name", "answered"),
    [("cheapestPrice", "price"), ("cheapestOffer", "itineraries"), ("cheapestDays", "cheapest")],
)
def test_docs_page_try_it_out_gets_an_answer(docs: Chrome, name: str, answered: str) -> None:
    operation = docs.find_element(By.ID, f"operations-prices-{name}")
    operation.find_element(By.CLASS_NAME, "opblock-summary-control").click()
    eventually(lambda: operation.find_elements(By.CLASS_NAME, "execute"))[0].click()

    answers = eventually(lambda: operation.find_elements(By.CLASS_NAME, "live-responses-table"))
    eventually(lambda: f'"{answered}"' in str(answers[0].get_attribute("textContent")))


def test_docs_page_breaks_no_policy_and_loads_nothing_from_elsewhere(
    service: Service, docs: Chrome
) -> None:
    assert complaints(docs) == []
    assert all(url.startswith((service.url, "data:")) for url in requested(docs))
