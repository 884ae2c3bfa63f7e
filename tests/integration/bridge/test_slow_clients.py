"""Clients that send half a request do not keep others from the bridge."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.clients import plain_http
from tests.support.clients.sandbox_client import TOKEN
from tests.support.providers import ignav
from tests.support.servers.bridge_server import QuickBridge

SECONDS = 0.5
HALVES = {
    "nothing": b"",
    "first line": b"GET / HT",
    "headers": b"GET / HTTP/1.1\r\nHost: localh",
    "body": f"POST {TOKEN} HTTP/1.1\r\nContent-Length: 50\r\n\r\ngrant".encode(),
}


@pytest.fixture(scope="module")
def bridge() -> Iterator[QuickBridge]:
    """A bridge that gives clients half a second to send a request."""
    environment = {"IGNAV_API_KEY": ignav.KEY, "IGNAV_BASE_URL": "http://127.0.0.1:9"}
    with QuickBridge(SECONDS, "ignav", environment) as server:
        yield server


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_half_a_request_ends_with_its_connection(
    bridge: QuickBridge, half: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), 20) as raw:
        raw.sendall(half)
        began = time.monotonic()
        while raw.recv(10_000):
            pass
    assert time.monotonic() - began < 10
    assert capfd.readouterr().err == ""


def test_bytes_one_at_a_time_do_not_extend_the_time(bridge: QuickBridge) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), 0.05) as raw:
        began = time.monotonic()
        while time.monotonic() - began < 10:
            try:
                raw.sendall(b"x")
                if not raw.recv(10_000):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 5


def test_many_half_requests_do_not_stop_other_clients(
    bridge: QuickBridge, capfd: pytest.CaptureFixture[str]
) -> None:
    _, most = resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE, (64, most))
    with ExitStack() as stack:
        for _ in range(300):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), 20))
            raw.sendall(b"GET / HT")
        assert plain_http.get(bridge.url).status_code == 200
    assert capfd.readouterr().err == ""
