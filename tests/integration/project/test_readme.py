"""Commands, answers, tables and figures in README.md and docs/ are true."""

import difflib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.errors import (
    UPSTREAM_ERRORS,
    FlightPriceError,
    UpstreamError,
)
from api.models import PriceRequest
from api.settings import Settings
from api.settings.environments import AMADEUS_HOSTS, AMADEUS_RATES
from tests.support.servers.service import Service, some_day

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
API_PAGE = ROOT / "docs" / "api.md"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"


def blocks(language: str) -> list[str]:
    """The code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


CURLS = re.findall(r"^curl .*", "\n".join(blocks("sh")), re.MULTILINE)
[DAY] = re.findall(r"^DAY=.*", "\n".join(blocks("sh")), re.MULTILINE)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def run(service: Service, command: str) -> str:
    """The output of a README command, run as a reader would."""
    here = command.replace("http://localhost:8080", service.url)
    script = f"set -euo pipefail; {DAY}; {here}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("command", CURLS)
def test_curl_examples_get_the_promised_answers(service: Service, command: str) -> None:
    answer = run(service, command)

    head, _, body = answer.rpartition("\n\n")
    assert not head or head.startswith("HTTP/1.1 200 OK")
    document = json.loads(body)
    if "# 400 with two errors" in command:
        assert (document["status"], len(document["errors"])) == (400, 2)
    else:
        assert {"data", "status", "version"} & set(document)
        assert "code" not in document


def test_readme_shows_a_real_answer(service: Service) -> None:
    shown = json.loads(blocks("json")[0])
    real = json.loads(run(service, CURLS[0]))

    assert list(shown["data"]) == list(real["data"])
    assert shown["data"]["price"].split()[1] == real["data"]["price"].split()[1]


def test_readme_shows_a_real_offer(service: Service) -> None:
    [command] = [curl for curl in CURLS if "/flights/offer" in curl]
    shown, real = json.loads(blocks("json")[1])["data"], json.loads(run(service, command))["data"]

    assert list(shown) == list(real)
    for part in ("airline", "itineraries"):
        assert names_in(shown[part]) == names_in(real[part])
    assert len(shown["itineraries"]) == len(real["itineraries"]) == 1


def test_readme_shows_a_real_calendar(service: Service) -> None:
    [command] = [curl for curl in CURLS if "/flights/calendar" in curl]
    shown, real = json.loads(blocks("json")[2])["data"], json.loads(run(service, command))["data"]

    assert list(shown) == list(real)
    assert names_in(shown) == names_in(real)
    assert shown["cheapest"]["price"].split()[1] == real["cheapest"]["price"].split()[1]


def names_in(document: object) -> set[str]:
    """The names of all members, at any depth."""
    if isinstance(document, list):
        return set().union(*map(names_in, document))
    if isinstance(document, dict):
        return set(document).union(*map(names_in, document.values()))
    return set()


def test_readme_shows_a_real_log() -> None:
    shown = [json.loads(line) for line in blocks("json")[3].splitlines()]
    with Service() as service:
        service.price(date=some_day(11))
        service.price(date=some_day(11))
        service.stop()
        lines = [line for line in service.log() if "/readyz" not in line.values()]

    told = [line for line in lines if line["event"] in {seen["event"] for seen in shown}]
    first = [line["event"] for line in told].index("token.fetched")
    assert [list(line) for line in told[first:]] == [list(line) for line in shown]
    assert [line["event"] for line in told[first:]] == [line["event"] for line in shown]


def test_readme_can_be_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 180


def between_marks(page: Path, name: str) -> str:
    _, _, rest = page.read_text().partition(f"<!-- {name}: begin -->\n")
    return rest.partition(f"<!-- {name}: end -->")[0]


def test_settings_table_matches_the_code() -> None:
    rows = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        cell = f"`{shown}`" if shown and str(shown) else ""
        rows.append(f"| `{name.upper()}` | {cell} | {field.description} |")

    check_table(SETTINGS_PAGE, "settings", rows)


def test_parameters_table_matches_the_code() -> None:
    rows = ["| parameter | |", "|---|---|"]
    for name, field in PriceRequest.model_fields.items():
        needed = "**required:** " if field.is_required() else ""
        rows.append(f"| `{name}` | {needed}{field.description} |")

    check_table(API_PAGE, "parameters", rows)


def check_table(page: Path, name: str, rows: list[str]) -> None:
    wanted, found = "\n".join(rows) + "\n", between_marks(page, name)
    differences = difflib.ndiff(found.splitlines(), wanted.splitlines())
    assert found == wanted, f"{page.name} should say:\n" + "\n".join(differences)


def test_errors_table_matches_the_code() -> None:
    ours = {error for error in FlightPriceError.__subclasses__() if error is not UpstreamError}
    known = {error.code: error.status.value for error in {*ours, *UPSTREAM_ERRORS.values()}}

    shown = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", API_PAGE.read_text(), re.MULTILINE)

    known["internal-error"] = 500  # has no class
    assert {code: int(status) for status, code in shown} == known


def test_environments_table_matches_the_code() -> None:
    shown = re.findall(r"^\| `([a-z-]+)`.*? \| `([a-z.]+)` \| (\d+) \|$", README, re.MULTILINE)

    assert shown == [
        (environment.value, host.removeprefix("https://"), f"{AMADEUS_RATES[environment]:g}")
        for environment, host in AMADEUS_HOSTS.items()
    ]


def test_documented_make_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(
        re.findall(r"\bmake ([a-z-]+)", " ".join([*blocks("sh"), *re.findall("`.*?`", README)]))
    )

    assert {"run", "test"} <= named <= targets


def test_document_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", README)

    assert [path for path in links if not (ROOT / path).exists()] == []


def test_docs_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert pages <= set(re.findall(r"\]\(([\w.]+)\)", index))


@pytest.mark.timing
def test_documented_footprint_is_not_exceeded() -> None:
    [seconds] = map(float, re.findall(r"under (\d+) s after", README))
    [megabytes] = map(float, re.findall(r"under (\d+) MB", README))
    started = time.monotonic()

    with Service() as service:
        service.price()
        taken = time.monotonic() - started
        with ThreadPoolExecutor(4) as clients:
            days = map(some_day, range(10, 210))
            assert all(clients.map(lambda day: service.price(date=day).is_success, days))
        resident = max(map(resident_megabytes, service.workers()))

    assert taken < seconds
    assert resident < megabytes


def resident_megabytes(process: int) -> float:
    """The resident memory of a process (proc(5), VmRSS)."""
    status = Path(f"/proc/{process}/status").read_text()
    [kibibytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024 / 1_000_000
