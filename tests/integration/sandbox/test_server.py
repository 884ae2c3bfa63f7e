"""The sandbox server: output, exit codes, options and connections."""

import concurrent.futures
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sandbox.faults.kinds import names_for
from tests.support.clients import plain_http
from tests.support.clients.sandbox_client import SEARCH, TOKEN
from tests.support.processes import eventually
from tests.support.servers.certificate import Authority
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import some_day

ROOT = Path(__file__).parents[3]
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "secret"}
JFK_TO_LAX = "originLocationCode=JFK&destinationLocationCode=LAX&departureDate=2099-01-01&adults=1"


@contextlib.contextmanager
def client(server: SandboxServer, **options: Any) -> Iterator[httpx2.Client]:
    """A client that has a token."""
    with plain_http.client(base_url=server.url, timeout=20, **options) as http:
        token = http.post(TOKEN, data=CREDENTIALS).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with options that keep it from starting."""
    command = [sys.executable, "-m", "sandbox", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("how", ["terminate", "interrupt"])
def test_server_prints_one_line_and_ends_cleanly(how: str) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal({"terminate": 15, "interrupt": 2}[how])
        rest, errors = process.communicate(timeout=20)
    assert line.startswith("sandbox listening on http://127.0.0.1:")
    assert (process.returncode, rest, errors) == (0, "", "")


def test_server_ends_at_once_with_requests_in_progress() -> None:
    with (
        SandboxServer("--fault", "search:hang") as server,
        plain_http.client() as http,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        hanging = pool.submit(http.get, server.url + SEARCH, timeout=20)
        eventually(lambda: server.counters()["search"]["calls"])
        assert server.stop() == 0
        assert isinstance(hanging.exception(), httpx2.TransportError)


def test_occupied_port_is_one_clear_error_line(server: SandboxServer) -> None:
    done = run("--port", str(server.port))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr


BAD_OPTIONS = [
    (["--port", "70000"], "a whole number from 0 to 65535, not '70000'"),
    (["--port", "x"], "a whole number from 0 to 65535, not 'x'"),
    (["--rate-limit", "some"], "invalid choice"),
    (["--quota", "1" * 24], "a whole number from 0 to 1000000000"),
    (["--latency", "slow"], "latency must be a number of milliseconds"),
    (["--fault", "search:explode"], "unknown fault 'explode'"),
    (["--token-life", "5000000000"], "a whole number from 1 to 315360000"),
    (["--certfile", "/nowhere.pem"], "/nowhere.pem"),
    (["--keyfile", "key.pem"], "--certfile"),
    (["--wings", "2"], "unrecognized"),
]
# In one process, because each start would take half a second.
TRY_EACH = """
import contextlib, io, json, sys
from sandbox.__main__ import main

def end(options):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            return main(options), said.getvalue()
        except SystemExit as ended:
            return ended.code, said.getvalue()

print(json.dumps([end(options) for options in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def ends() -> list[tuple[int, str]]:
    """The exit code and the error output for each of BAD_OPTIONS."""
    tried = json.dumps([options for options, _ in BAD_OPTIONS])
    command = [sys.executable, "-c", TRY_EACH, tried]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=True)
    assert done.stderr == b""
    return [(code, said) for code, said in json.loads(done.stdout)]


@pytest.mark.parametrize(
    "number", range(len(BAD_OPTIONS)), ids=[" ".join(options) for options, _ in BAD_OPTIONS]
)
def test_invalid_options_are_explained(ends: list[tuple[int, str]], number: int) -> None:
    (_, reason), (code, said) = BAD_OPTIONS[number], ends[number]

    assert code == 2
    assert reason in said.splitlines()[-1]
    assert "Traceback" not in said


def test_invalid_option_ends_the_command() -> None:
    done = run("--port", "x")

    assert (done.returncode, done.stdout) == (2, "")
    assert "not 'x'" in done.stderr


def test_help_option_prints_the_help() -> None:
    done = run("--help")
    assert done.returncode == 0
    for option in ("--seed", "--rate-limit", "--quota", "--latency", "--fault", "--admin"):
        assert option in done.stdout


def test_options_can_be_combined() -> None:
    options = (
        *("--seed", "x", "--token-life", "60", "--client-id", "me", "--client-secret", "secret"),
        *("--rate-limit", "test", "--quota", "3", "--latency", "lognormal:1,2"),
        *("--fault", "search:status=503x1", "--fault", "token:closex1"),
    )
    with SandboxServer(*options) as server:
        assert server.admin("GET", "settings") == {
            "token_life": 60,
            "rate_limit": "test",
            "quota": 3,
            "latency": "lognormal:1,2",
        }
        assert [one["fault"] for one in server.admin("GET", "faults")["faults"]] == [
            "status",
            "close",
        ]


def test_sandbox_without_admin_option_has_no_admin_url() -> None:
    with SandboxServer(admin=False) as server, pytest.raises(urllib.error.HTTPError) as caught:
        server.counters()
    assert caught.value.code == 404
    caught.value.close()


def test_connection_serves_many_requests(server: SandboxServer) -> None:
    with client(server) as http:
        for _ in range(5):
            assert http.get(f"{SEARCH}?{JFK_TO_LAX}").status_code == 400
        assert server.counters()["connections"] == {"opened": 1, "open": 1}
    assert eventually(lambda: server.counters()["connections"]["open"] == 0)


def test_server_serves_many_clients_at_once(server: SandboxServer) -> None:
    server.settings(latency=300)
    with client(server) as http, concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: http.get(SEARCH), range(20)))
    assert server.counters()["max_concurrent"] > 10


def test_fault_on_one_connection_does_not_delay_others(server: SandboxServer) -> None:
    server.fault("search", "hang", count=1)
    with client(server) as http, concurrent.futures.ThreadPoolExecutor() as pool:
        hanging = pool.submit(http.get, SEARCH, timeout=2)
        eventually(lambda: server.counters()["search"]["calls"])
        assert http.get(SEARCH).status_code == 400
        assert isinstance(hanging.exception(), httpx2.ReadTimeout)


def test_client_that_leaves_ends_its_hanging_request(server: SandboxServer) -> None:
    server.fault("search", "hang")
    with client(server) as http, pytest.raises(httpx2.ReadTimeout):
        http.get(SEARCH, timeout=0.2)
    assert eventually(lambda: server.counters()["connections"]["open"] == 0)


def test_slowly_dripped_reply_takes_its_time(server: SandboxServer) -> None:
    server.fault("search", "slow_headers", 0.05)
    with client(server) as http, pytest.raises(httpx2.ReadTimeout):
        http.get(SEARCH, timeout=httpx2.Timeout(20, read=0.02))
    assert server.counters()["search"]["calls"] == 1


# Small values where a fault would be slow by default.
ARGUMENTS = {
    "status": 429,
    "latency": 1,
    "huge": 1_000_000,
    **dict.fromkeys(("hang", "hang_in_body", "slow_headers", "slow_body"), 0),
}


@pytest.mark.parametrize("name", sorted(names_for("search") | names_for("token")))
def test_server_survives_every_fault_that_it_plays(server: SandboxServer, name: str) -> None:
    with client(server) as http:
        url = f"{SEARCH}?{JFK_TO_LAX.replace('2099-01-01', some_day())}&max=2"
        for leg in ("search", "token"):
            if name not in names_for(leg):
                continue
            server.fault(leg, name, ARGUMENTS.get(name))
            with contextlib.suppress(httpx2.HTTPError):
                spoiled = http.get(url) if leg == "search" else http.post(TOKEN, data=CREDENTIALS)
                assert spoiled.status_code < 500
            assert server.counters()[leg]["calls"]
            server.clear()
        assert http.get(url).status_code == 200
        assert http.post(TOKEN, data=CREDENTIALS).status_code == 200


def test_non_http_input_is_refused_and_survived(server: SandboxServer) -> None:
    with socket.create_connection((server.host, server.port), 20) as raw:
        raw.sendall(b"hello\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert server.counters()["search"]["calls"] == 0


def test_request_with_too_many_headers_logs_no_server_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    many = "".join(f"X-{n}: 1\r\n" for n in range(2000))
    with (
        SandboxServer() as server,
        socket.create_connection((server.host, server.port), 20) as raw,
    ):
        raw.sendall(f"GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert capfd.readouterr().err == ""


def test_failed_handshake_is_not_logged(
    authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    trust = ssl.create_default_context(cafile=str(authority.path))
    with SandboxServer("--certfile", str(authority.certificate()), admin=False) as server:
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(server.url, trust_env=False)  # it does not trust the certificate
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b""):
            with socket.create_connection((server.host, server.port), 20) as raw:
                raw.sendall(sent)
        with client(server, verify=trust) as http:
            assert http.get(SEARCH).status_code == 400
    assert capfd.readouterr().err == ""


def test_server_serves_tls_and_counts_handshakes(authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=str(authority.path))
    with SandboxServer("--certfile", str(authority.certificate()), admin=False) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with client(server, verify=trust) as http:
            assert http.get(SEARCH).status_code == 400
        with pytest.raises(httpx2.ConnectError), client(server, verify=True):
            pass


def test_faults_work_over_tls_too(authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=str(authority.path))
    options = ("--certfile", str(authority.certificate()), "--fault", "search:resetx1")
    with SandboxServer(*options) as server, client(server, verify=trust) as http:
        with pytest.raises(httpx2.TransportError):
            http.get(SEARCH)
        assert http.get(SEARCH).status_code == 400
        counters = http.get("/admin/counters").json()
        assert counters["connections"]["opened"] == 2


def test_chunked_request_body_is_accepted(server: SandboxServer) -> None:
    form = b"grant_type=client_credentials&client_id=me&client_secret=secret"
    with plain_http.client(base_url=server.url) as http:
        answer = http.post(TOKEN, content=iter([form[:10], form[10:]]))
    assert answer.status_code == 200
