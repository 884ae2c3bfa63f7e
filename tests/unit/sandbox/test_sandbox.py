"""The sandbox as a whole: size, independence, latency, pages and thread safety."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from protocol.errors import KNOWN
from protocol.reference.airport_sizes import RANKS
from protocol.reference.airports import Airports
from protocol.server import url_of
from sandbox import Latency, SandboxConfig
from sandbox.faults.kinds import names_for
from sandbox.state.counters import Counters
from sandbox.world.airlines import AIRLINES
from sandbox.world.dice import Dice
from sandbox.world.network import Network
from tests.support.clients.sandbox_client import InProcess

ROOT = Path(__file__).parents[3]


def run(code: str, **environment: str) -> str:
    """The output of this code in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_sandbox_imports_nothing_of_the_service() -> None:
    code = "import sys, sandbox; print([name for name in sys.modules if name.split('.')[0]=='api'])"
    assert run(code) == "[]"


def test_sandbox_import_patches_nothing() -> None:
    code = """
import sandbox, sandbox.http.server
from gevent import monkey
print(monkey.is_module_patched('socket'))
"""
    assert run(code) == "False"


def test_sandbox_creation_reads_no_airports() -> None:
    code = """
import sandbox
from protocol.reference.airports import Airports
sandbox.create_app()
print(Airports._loaded)
"""
    assert run(code) == "None"


def test_offers_are_the_same_in_another_process(honest: InProcess) -> None:
    code = """
from tests.support.clients.sandbox_client import InProcess
print(InProcess().search(max=20).text)
"""
    assert run(code, PYTHONHASHSEED="1") == honest.search(max=20).text


@pytest.mark.thorough
def test_sandbox_uses_little_memory() -> None:
    code = """
import resource, falcon, gevent, httpx2, orjson, pydantic
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from tests.support.clients.sandbox_client import InProcess
sandbox = InProcess()
hubs = "JFK LAX LHR CDG FRA MAD SIN SYD DXB IST NRT GRU".split()
for origin in hubs:
    for destination in hubs:
        if origin != destination:
            sandbox.offers(originLocationCode=origin, destinationLocationCode=destination, max=10)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    assert int(run(code)) < 30  # MiB


@pytest.mark.parametrize("module", sorted((ROOT / "sandbox").glob("*.py")), ids=lambda p: p.stem)
def test_sandbox_modules_are_small(module: Path) -> None:
    assert len(module.read_text().splitlines()) < 300


def test_sandbox_page_says_what_it_is(sandbox: InProcess) -> None:
    page = sandbox.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "invented flights and prices" in page.text
    assert "/v2/shopping/flight-offers" in page.text
    assert "departureDate=2026-12-21" in page.text


def test_sandbox_page_does_not_echo_a_hostile_host_header(sandbox: InProcess) -> None:
    page = sandbox.http.get("/", headers={"Host": "<script>"})
    assert "<script>" not in page.text


@pytest.mark.thorough
def test_busy_airports_always_have_flights_between_them() -> None:
    airports = Airports()
    network = Network(Dice("amadeus"), airports)
    busy = [airports.airport(code) for code, rank in RANKS.items() if rank == 3]
    for origin in busy:
        for destination in busy:
            assert origin.city == destination.city or network.routings(origin, destination)


def test_fixed_latency_is_exact() -> None:
    assert Latency.parse("120").seconds() == 0.12
    assert str(Latency.parse(120)) == "120"


def test_lognormal_latency_has_its_median_and_its_tail() -> None:
    latency = Latency.parse("lognormal:80,900")
    drawn = sorted(latency.seconds() for _ in range(4000))
    assert drawn[2000] == pytest.approx(0.080, rel=0.2)
    assert drawn[3960] == pytest.approx(0.9, rel=0.5)
    assert str(latency) == "lognormal:80,900"


@pytest.mark.parametrize(
    "text",
    ["", "fast", "-1", "inf", "nan", "600001", "lognormal:", "lognormal:1", "lognormal:0,5", None],
)
def test_invalid_latency_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="latency"):
        Latency.parse(text)


def test_latency_is_at_most_ten_minutes() -> None:
    latency = Latency.parse("lognormal:0.001,600000")
    assert max(latency.seconds() for _ in range(4000)) == 600


@pytest.mark.parametrize(
    "wrong", [{"token_life": 5_000_000_000}, {"token_life": 0}, {"quota": 10**23}, {"quota": -1}]
)
def test_sandbox_with_an_unworkable_configuration_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number"):
        SandboxConfig(**wrong)  # type: ignore[arg-type]


def test_number_of_searches_counted_separately_is_bounded() -> None:
    counters = Counters()
    for number in range(10_010):
        counters.started("search", f"search {number}")
    by_search = counters.snapshot()["search"]["by_search"]
    assert len(by_search) == 10_001
    assert by_search["other"] == 10


def test_maximum_number_of_concurrent_calls_is_counted() -> None:
    counters = Counters()
    for _ in range(2):
        counters.started("token")
    for _ in range(2):
        counters.finished()
    counters.started("token")
    assert counters.snapshot()["max_concurrent"] == 2


def test_sandbox_can_be_shared_by_threads(sandbox: InProcess) -> None:
    expected, found = sandbox.offers(max=3), []
    threads = [
        threading.Thread(target=lambda: found.append(sandbox.offers(max=3))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    assert sandbox.counters()["search"]["calls"] == 9


def test_airports_in_the_tables_are_known() -> None:
    airports = Airports()
    hubs = {hub for airline in AIRLINES.values() for hub in airline.hubs}
    assert [code for code in {*RANKS, *hubs} if not airports.airports_of(code)] == []


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:9090"), ("::1", "http://[::1]:9090")],
)
def test_listening_address_is_printed_as_a_url(host: str, url: str) -> None:
    assert url_of("http", host, 9090) == url


def test_sandbox_readme_shows_the_real_output_of_setting_a_fault(sandbox: InProcess) -> None:
    readme = (ROOT / "sandbox" / "README.md").read_text()
    [(wanted, shown)] = re.findall(r"/admin/faults \\\n +-d '(.*)'\n(\{.*\})\n", readme)
    assert sandbox.http.put("/admin/faults", content=wanted).text == shown


def test_sandbox_readme_names_every_fault_and_option() -> None:
    readme = (ROOT / "sandbox" / "README.md").read_text()
    named = set(re.findall(r"`([^`\s]+)`", readme))
    assert (names_for("search") | names_for("token")) - named == set()
    assert sorted(KNOWN) == [code for code in sorted(KNOWN) if str(code) in readme]
