"""The start of the service, with valid and invalid settings and a healthy or failing Amadeus."""

import gc
import resource
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from api.services.amadeus.token_provider import FETCH_SECONDS
from api.services.lifecycle import WARM_UP_SECONDS
from tests.support.processes import (
    MAX_START_SECONDS,
    connections_of,
    eventually,
    first_good,
    free_port,
)
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import ENVIRONMENT, GUNICORN, ROOT, Service

pytestmark = pytest.mark.long


class ServiceInWarmUp(Service):
    """A service that is entered once it serves, even during its warm-up."""

    awaited = "/flights/ping"


def gunicorn(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the service with this environment until it exits."""
    return subprocess.run(
        [GUNICORN],
        cwd=ROOT,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=MAX_START_SECONDS,
        check=False,
    )


def test_failed_start_in_one_test_does_not_affect_others() -> None:
    with pytest.raises(RuntimeError, match="LOG_LEVEL must be"), Service(log_level="loud"):
        pass
    gc.collect()  # anything left open would cause a warning here, and warnings fail tests


@pytest.mark.parametrize(
    ("variable", "value", "takes"),
    [
        ("AMADEUS_CLIENT_SECRET", "", "is required with AMADEUS_BASE_URL"),
        ("REDIS_URL", "redis://:hidden/word@localhost", "must have a port from 0 to 65535"),
        ("CACHE_TTL", "ten", 'must be a whole number from 0 to 2592000, not "ten"'),
    ],
)
def test_invalid_setting_stops_the_start_with_one_line(
    variable: str, value: str, takes: str
) -> None:
    good = {
        "AMADEUS_BASE_URL": "http://127.0.0.1:1",
        "AMADEUS_CLIENT_ID": "an-id",
        "AMADEUS_CLIENT_SECRET": "a-secret",
        "PORT": str(free_port()),
    }

    ended = gunicorn(**good | {variable: value})

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert f"{variable} " in ended.stderr
    assert takes in ended.stderr
    assert not any(word in ended.stderr for word in ("Traceback", "hidden", "a-secret", "an-id"))


def test_occupied_port_stops_the_start_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = gunicorn(PORT=str(port))

    assert ended.returncode == 2
    assert ended.stderr == (
        f"flight-price-api: port {port} is in use; choose another: PORT=8000 make run\n"
    )
    assert '"level":"error"' not in ended.stdout


def test_worker_serves_more_clients_than_its_initial_file_limit() -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    service = Service()
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        service.launch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    with service, ExitStack() as clients:
        [worker] = service.workers()
        for _ in range(300):
            clients.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        eventually(lambda: connections_of(worker, service.port) >= 300, within=4)
        assert service.log("service.crashed") == []


def test_warm_up_fetches_the_token_before_the_first_request() -> None:
    with SandboxServer() as sandbox, Service.on(sandbox) as service:
        counters = sandbox.counters()
        [warmed] = eventually(lambda: service.log("service.warmed"))
        [fetched] = service.log("token.fetched")
        service.price()
        after = sandbox.counters()

    assert (counters["token"]["calls"], counters["search"]["calls"]) == (1, 0)
    assert (after["token"]["calls"], after["search"]["calls"]) == (1, 1)
    assert fetched["expires_in"] == 1799
    assert fetched["duration_ms"] > 0
    assert "request_id" not in fetched
    assert (warmed["cache"], warmed["token"]) == ("ok", "ok")
    assert "amadeus" not in warmed  # no search was made that would show its state


def test_hanging_amadeus_neither_delays_nor_kills_a_starting_worker() -> None:
    with (
        SandboxServer("--fault", "token:hang") as sandbox,
        ServiceInWarmUp.on(sandbox, web_concurrency=2) as service,
    ):
        warming = service.get("/readyz")
        eventually(lambda: len(service.workers()) == 2)
        workers = service.workers()
        hung = service.price()
        eventually(lambda: len(service.log("service.warmed")) == 2)
        ready = service.get("/readyz")
        sandbox.clear()
        price = first_good(service.price, lambda answer: answer.status_code == 200)
        assert service.workers() == workers

    # The service answered while the warm-up's token call was waiting, for up to five seconds.
    assert (warming.status_code, warming.json()["status"]) == (503, "starting")
    assert (hung.status_code, hung.json()["code"]) == (504, "amadeus-timeout")
    assert hung.elapsed.total_seconds() < 2 * FETCH_SECONDS  # not at the deadline
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert price.json()["data"]["price"]


def test_hanging_token_call_ends_at_the_request_deadline() -> None:
    with (
        SandboxServer("--fault", "token:hang") as sandbox,
        ServiceInWarmUp.on(sandbox, request_deadline=1) as service,
    ):
        started = time.monotonic()
        answer = service.price()
        seconds = time.monotonic() - started

    assert (answer.status_code, answer.json()["code"]) == (504, "amadeus-timeout")
    assert seconds < 2


def test_unreachable_amadeus_at_start_is_one_log_line_and_no_delay() -> None:
    with Service(
        amadeus_base_url="http://127.0.0.1:1",
        amadeus_client_id="an-id",
        amadeus_client_secret="a-secret",
    ) as service:
        warmed, *_ = eventually(lambda: service.log("service.warmed"))
        failed, *_ = eventually(lambda: service.log("token.failed"))
        answer = service.price()

    assert warmed["duration_ms"] < 1000 * WARM_UP_SECONDS  # it waited for nobody
    assert (failed["level"], failed["code"]) == ("error", "amadeus-unavailable")
    assert failed["url"] == "http://127.0.0.1:1/v1/security/oauth2/token"
    assert failed["hint"].startswith("this machine cannot reach 127.0.0.1:1: [Errno 111] ")
    assert (answer.status_code, answer.json()["code"]) == (503, "amadeus-unavailable")


def test_wrong_credentials_are_reported_with_a_hint() -> None:
    with (
        SandboxServer("--client-id", "the-client-id", "--client-secret", "another") as sandbox,
        Service.on(sandbox) as service,
    ):
        failed, *_ = eventually(lambda: service.log("token.failed"))
        answer = service.price()

    assert "AMADEUS_CLIENT_ID" in failed["hint"]
    assert (answer.status_code, answer.json()["code"]) == (502, "amadeus-misconfigured")


def test_sandbox_is_named_at_start_and_in_every_response() -> None:
    with Service() as service:
        [started] = service.log("service.started")
        answer = service.price()
        assert service.stop() == 0
        assert service.log("service.stopping")

    assert (started["environment"], started["amadeus"]) == ("sandbox", "bundled sandbox")
    assert "invented" in started["notice"]
    assert answer.headers["X-Amadeus-Environment"] == "sandbox"
