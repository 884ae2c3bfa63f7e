"""A Python client that is generated from /openapi.json calls the service."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from api.errors import UPSTREAM_ERRORS, NoOffers
from tests.support.processes import eventually
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

TOOLS = Path(sys.executable).parent
PACKAGE = "generated_flight_price_client"
CLIENT, OPERATOR = "the-key-of-the-client", "the-key-of-the-operator"
ROUTE = {"origin": "JFK", "destination": "LAX"}
# What the sandbox does, and the code that a price then has. The last one stops all searches.
FAULTS = (
    ("empty_list", None, "no-offers"),
    ("status", "400:425", "rejected-by-amadeus"),
    ("status", "403:38197", "amadeus-misconfigured"),
    ("html", None, "amadeus-bad-answer"),
    ("status", "500:141", "amadeus-unavailable"),
    ("hang", None, "amadeus-timeout"),
    ("status", "429:38195", "amadeus-quota"),
)


@pytest.fixture(scope="module")
def service(shared_sandbox: SandboxServer) -> Iterator[Service]:
    with Service.on(shared_sandbox, amadeus_timeout=1) as service:
        # The sandbox's first search reads the airports, which is slow on a busy machine.
        eventually(lambda: service.price(date=some_day(29)).is_success)
        yield service


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    with Service(api_keys=CLIENT, operator_keys=OPERATOR, nocache_rate_limit=1) as service:
        yield service


@pytest.fixture(scope="module")
def package(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the generated package, which can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    document = ("--url", f"{service.url}/openapi.json", "--output-path", folder / PACKAGE)
    run = subprocess.run(
        [
            TOOLS / "openapi-python-client",
            "generate",
            *document,
            "--meta=none",
            "--fail-on-warning",
        ],
        env={"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"},  # it formats the code with ruff
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield PACKAGE


@pytest.fixture
def client(package: str, service: Service) -> Iterator[Any]:
    with import_module(package).Client(service.url) as client:
        yield client


def call(client: Any, operation: str, tag: str = "prices", **parameters: Any) -> Any:
    """Call an operation, and return what the client makes of the answer."""
    return import_module(f"{PACKAGE}.api.{tag}.{operation}").sync(client=client, **parameters)


def problem_code(answer: Any) -> str:
    """The code of an answer, which must have the one type of all errors."""
    assert type(answer) is import_module(f"{PACKAGE}.models").Problem
    code: str = answer.code.value
    return code


def day(ahead: int) -> dt.date:
    return dt.date.fromisoformat(some_day(ahead))


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("operation", ["price", "offer"])
def test_generated_client_reads_the_whole_answer(
    client: Any, service: Service, operation: str
) -> None:
    answer = call(client, f"cheapest_{operation}", **ROUTE, date=day(30))

    assert answer.data.departure_date == day(30)
    assert answer.to_dict() == service.get(f"/flights/{operation}", **ROUTE, date=some_day()).json()


@pytest.mark.usefixtures("sandbox")
def test_generated_client_reads_a_calendar(client: Any, service: Service) -> None:
    answer = call(client, "cheapest_days", **ROUTE, from_=day(40), to=day(42))

    period = {"from": some_day(40), "to": some_day(42)}
    data = service.get("/flights/calendar", **ROUTE, **period).json()["data"]
    assert answer.data.cheapest.to_dict() == data["cheapest"]
    assert [(item.departure_date.isoformat(), item.price) for item in answer.data.days] == [
        (item["departure_date"], item["price"]) for item in data["days"]
    ]


def test_failures_of_amadeus_have_the_one_type(client: Any, sandbox: SandboxServer) -> None:
    for number, (fault, arg, code) in enumerate(FAULTS):
        sandbox.fault("search", fault, arg)
        answer = call(client, "cheapest_price", **ROUTE, date=day(50 + number))

        assert problem_code(answer) == code
    assert {code for *_, code in FAULTS} == {*UPSTREAM_ERRORS, NoOffers.code}


def test_refusals_have_the_one_type(package: str, keyed: Service) -> None:
    generated, models = import_module(package), import_module(f"{package}.models")
    price: dict[str, Any] = {"operation": "cheapest_price", **ROUTE, "date": day(30)}
    with (
        generated.Client(keyed.url) as anybody,
        generated.AuthenticatedClient(keyed.url, CLIENT) as client,
    ):
        assert problem_code(call(anybody, **price)) == "unauthorized"
        assert problem_code(call(client, "status_report", tag="operation")) == "forbidden"

        known, nocache = models.CheapestPriceKnown("1"), models.CheapestPriceNocache("1")
        assert problem_code(call(client, **price, known=known)) == "not-known"
        assert call(client, **price, nocache=nocache).data.price
        assert problem_code(call(client, **price, nocache=nocache)) == "too-many-requests"

        invalid = call(client, **price, adults=0)
        assert problem_code(invalid) == "invalid-request"
        assert [item.parameter for item in invalid.errors] == ["adults"]


def test_calendar_without_time_has_the_one_type(package: str, sandbox: SandboxServer) -> None:
    sandbox.fault("search", "hang")
    # One turn in ten seconds, so most of the days get none in time.
    with (
        Service.on(sandbox, amadeus_rate_limit=0.1, request_deadline=1) as service,
        import_module(package).Client(service.url) as client,
    ):
        answer = call(client, "cheapest_days", **ROUTE, from_=day(40), to=day(70))

        assert problem_code(answer) == "not-in-time"
