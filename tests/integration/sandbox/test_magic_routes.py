"""Magic routes of the sandbox in the process of a service without any setting."""

import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.servers.service import Service, some_day

README = (Path(__file__).parents[3] / "sandbox" / "README.md").read_text()
EXAMPLES = re.findall(r"^(curl .*/flights/price\?.*\")   # (.*)$", README, re.MULTILINE)
TIMEOUT = 2


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(amadeus_timeout=TIMEOUT) as service:
        yield service


def test_commands_of_the_readme_get_the_promised_answers(service: Service) -> None:
    for command, promise in EXAMPLES:
        here = command.replace("http://localhost:8080", service.url)
        script = f"DAY={some_day()}; {here}"
        answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        status = answer.stdout.split()[1]
        codes = re.findall(r'"code": ?"(.*?)"', answer.stdout)
        assert " ".join([status, *codes]) == promise
    assert len(service.log("token.rejected")) == 1


@pytest.mark.timing
def test_hanging_searches_end_in_time_and_delay_no_other_request(service: Service) -> None:
    assert service.price().status_code == 200
    begun = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        hanging = [
            pool.submit(service.price, origin="WIZ", destination="LTE", date=some_day(ahead))
            for ahead in range(1, 21)
        ]
        while not all(one.done() for one in hanging):
            asked = time.monotonic()
            assert service.price().headers["X-Cache"] == "hit"
            assert time.monotonic() - asked < TIMEOUT / 2
    assert time.monotonic() - begun < 2 * TIMEOUT
    assert {one.result().json()["code"] for one in hanging} <= {
        "amadeus-timeout",
        "amadeus-unavailable",  # the circuit opens after ten
    }
