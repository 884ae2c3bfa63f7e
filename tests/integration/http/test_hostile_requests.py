"""Hostile bytes against real gunicorn: limits, slow and stalled clients, smuggled requests."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.clients.wire import PING, Wire, statuses
from tests.support.processes import eventually
from tests.support.servers.service import Service

SECRET = b"the-key-that-nobody-may-see"
HEAD = b"GET /flights/ping HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /flights/ping HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(log_level="debug", web_concurrency=1) as service:
        yield service


def ask(service: Service, data: bytes) -> bytes:
    with Wire(service) as wire:
        return wire.ask(data)


def test_head_and_body_of_a_response_arrive_together(service: Service) -> None:
    with Wire(service) as wire:
        assert wire.ask(PING).endswith(b'\r\n\r\n{"data": "pong"}\n')
        assert wire.segments() == 1


TOO_LARGE = {
    "request line": (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 2048), 414),
    "request line without end": (b"GET /%s" % (b"x" * 1_000_000), 414),
    "many headers": (HEAD + b"X: x\r\n" * 64 + b"\r\n", 431),
    "long header": (HEAD + b"X: %s\r\n\r\n" % (b"x" * 8190), 431),
    "head": (HEAD + (b"X: %s\r\n" % (b"x" * 1000)) * 40 + b"\r\n", 431),
    "head without end": (HEAD + b"X:" + b"\r" * 300_000, 431),
    "header of a megabyte": (HEAD + b"X: %s\r\n\r\n" % (b"x" * 1_000_000), 431),
    "body announced": (POST + b"Content-Length: 4097\r\n\r\n", 413),
    "body asked for": (POST + b"Content-Length: 4097\r\nExpect: 100-continue\r\n\r\n", 413),
    "long body": (POST + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000, 413),
    "body of unknown length": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 413),
    "expectation": (HEAD + b"Expect: a-miracle\r\n\r\n", 417),
}


@pytest.mark.parametrize(("sent", "status"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_oversized_request_gets_a_problem(service: Service, sent: bytes, status: int) -> None:
    received = ask(service, sent)

    head, _, body = received.partition(b"\r\n\r\n")
    assert statuses(received) == [status]
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_request_within_the_size_limits_is_served(service: Service) -> None:
    padded = HEAD + b"X: %s\r\n" % (b"x" * 8000) + b"Y: y\r\n" * 60 + b"\r\n"

    assert statuses(ask(service, padded)) == [200]


def test_head_of_16_kilobytes_is_served(service: Service) -> None:
    padded = HEAD + b"X: %s\r\nY: %s\r\n\r\n" % (b"x" * 8000, b"y" * 8000)

    assert statuses(ask(service, padded + PING)) == [200, 200]


WITHOUT_HOST = b"GET /flights/ping HTTP/1.1\r\n\r\n"


def test_missing_host_is_refused_as_a_problem_and_logged_once(service: Service) -> None:
    received = ask(service, WITHOUT_HOST + PING)

    problem = json.loads(received.partition(b"\r\n\r\n")[2])
    assert statuses(received) == [problem["status"]] == [400]
    assert problem["detail"] == "HTTP/1.1 requires a Host header."
    (line,) = eventually(lambda: service.log(request_id=problem["request_id"]))
    assert (line["event"], line["reason"]) == ("client.refused", "MissingHost")


def test_http_1_0_and_an_empty_host_are_served(service: Service) -> None:
    assert statuses(ask(service, WITHOUT_HOST.replace(b"1.1", b"1.0"))) == [200]
    assert statuses(ask(service, PING.replace(b"Host: x", b"Host:"))) == [200]


ODD_METHODS = {"WEBSOCKET": 400, "FOO": 400, "DELETE": 405, "TRACE": 405, "QUERY": 405}


@pytest.mark.parametrize(("method", "status"), ODD_METHODS.items())
def test_unknown_method_is_logged_once_and_the_connection_stays_open(
    service: Service, method: str, status: int
) -> None:
    received = ask(service, method.encode() + b" /flights/price HTTP/1.1\r\nHost: x\r\n\r\n" + PING)

    assert statuses(received) == [status, 200]
    (request_id,) = re.findall(rb'"request_id": "([^"]+)"', received)
    lines = eventually(lambda: service.log(request_id=request_id.decode()))
    assert [(line["event"], line["level"]) for line in lines] == [("http.request", "info")]


REFUSED_HEADS = {
    "no host": (b"HEAD /flights/ping HTTP/1.1\r\n\r\n", 400),
    "long body": (b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413),
    "long header": (b"HEAD / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 8190), 431),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED_HEADS.values(), ids=REFUSED_HEADS)
def test_refusal_of_a_head_request_has_no_body(service: Service, sent: bytes, status: int) -> None:
    head, _, body = ask(service, sent).partition(b"\r\n\r\n")

    assert statuses(head) == [status]
    assert b"\r\nContent-Length: " in head
    assert body == b""


def test_small_unwanted_body_is_skipped_and_the_connection_stays_open(service: Service) -> None:
    sent = HEAD + b"Content-Length: 4096\r\n\r\n" + b"x" * 4096 + PING

    assert statuses(ask(service, sent)) == [200, 200]


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"0\r\n\r\n" + SMUGGLED


AMBIGUOUS = {
    "CL.TE": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + CHUNKED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "length list": POST + b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    "length with plus": POST + b"Content-Length: +44\r\n\r\n" + SMUGGLED,
    "length below zero": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "length in hex": POST + b"Content-Length: 0x2c\r\n\r\n" + SMUGGLED,
    "length with underscore": POST + b"Content-Length: 4_4\r\n\r\n" + SMUGGLED,
    "length in other digits": POST + "Content-Length: ٤\r\n\r\n".encode() + SMUGGLED,
    "superscript length": POST + b"Content-Length: \xb2\r\n\r\n" + SMUGGLED,
    "length before space": POST + b"Content-Length : 44\r\n\r\n" + SMUGGLED,
    "encoding before space": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
    "encoding after vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED,
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNKED,
    "not chunked": POST + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKED,
    "gzip alone": POST + b"Transfer-Encoding: gzip\r\n\r\n" + CHUNKED,
    "folded header": POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "header after bare LF": POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "header after bare CR": POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "NUL in name": POST + b"X\x00: y\r\n\r\n" + SMUGGLED,
    "NUL in value": POST + b"X: y\x00z\r\n\r\n" + SMUGGLED,
    "no name": POST + b": y\r\n\r\n" + SMUGGLED,
    "no colon": POST + b"no colon\r\n\r\n" + SMUGGLED,
    "two hosts": POST + b"Host: y\r\n\r\n" + SMUGGLED,
    "chunked HTTP/1.0": POST.replace(b"1.1", b"1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + CHUNKED,
    "bare LFs": b"GET /flights/ping HTTP/1.1\nHost: x\n\n" + SMUGGLED,
    "HTTP/0.9": b"GET /flights/ping\r\n\r\n" + SMUGGLED,
    "two spaces": b"GET  /flights/ping HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "HTTP/9.9": b"GET /flights/ping HTTP/9.9\r\nHost: x\r\n\r\n" + SMUGGLED,
    "lower case method": b"get /flights/ping HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "raw byte in path": b"GET /flights/p\xefng HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "no slash": b"GET flights/ping HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + SMUGGLED,
    "PROXY protocol": b"PROXY TCP4 203.0.113.1 10.0.0.1 1 80\r\n" + PING + SMUGGLED,
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_request_is_answered_once_and_the_connection_closed(
    service: Service, sent: bytes
) -> None:
    received = ask(service, sent)

    assert len(statuses(received)) == 1
    assert statuses(received)[0] in (400, 413, 501)
    assert b"flight_price_" not in received


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script-Name", "PATH_INFO", "X-Original-URL"])
def test_headers_cannot_change_the_path(service: Service, name: str) -> None:
    received = ask(service, HEAD + f"{name}: /metrics\r\n\r\n".encode())

    assert b'{"data": "pong"}' in received


def test_absolute_url_is_treated_as_its_path(service: Service) -> None:
    sent = b"GET http://elsewhere.example/flights/ping HTTP/1.1\r\nHost: x\r\n\r\n"

    assert b'{"data": "pong"}' in ask(service, sent)


UNREADABLE = {
    "header without colon": HEAD + b"Authorization Bearer %s\r\n\r\n" % SECRET,
    "name": HEAD + b"%s\x1b: x\r\n\r\n" % SECRET,
    "expectation": HEAD + b"Expect: %s\r\n\r\n" % SECRET,
    "encoding": HEAD + b"Transfer-Encoding: %s\r\n\r\n" % SECRET,
    "path": b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % SECRET,
    "method": b"%s / HTTP/1.1\r\n\r\n" % SECRET,
    "version": b"GET / %s\r\n\r\n" % SECRET,
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
def test_malformed_input_is_not_echoed(service: Service, sent: bytes) -> None:
    before = len(service.log("client.refused"))

    received = ask(service, sent)

    assert len(statuses(received)) == 1
    line = eventually(lambda: service.log("client.refused")[before:])[-1]
    assert (line["client"], line["code"]) == ("127.0.0.1", "invalid-request")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["request_id"] == line["request_id"]
    assert SECRET not in received
    assert SECRET.decode() not in service.log_text


def test_responses_do_not_name_the_server_software(service: Service) -> None:
    received = ask(service, PING + HEAD + b"broken\r\n\r\n")

    assert statuses(received) == [200, 400]
    assert received.lower().count(b"\r\nserver: flight-price-api\r\n") == 2
    assert b"gunicorn" not in received.lower()
    assert b"python" not in received.lower()


def test_slowly_dripped_head_is_cut_off(service: Service) -> None:
    def seconds_until_cut_off(beginning: bytes) -> float:
        started = time.monotonic()
        with Wire(service) as wire:
            wire.send(beginning)
            wire.drip_until_cut_off()
        return time.monotonic() - started

    beginnings = [b"", b"GET /flights/pi", HEAD + b"X: x\r\nY"]
    with ThreadPoolExecutor(len(beginnings)) as at_once:
        assert max(at_once.map(seconds_until_cut_off, beginnings)) < 7


@pytest.mark.parametrize("length", [0, 10_000, 300_000])
def test_head_sent_in_fast_single_bytes_is_cut_off_in_time(service: Service, length: int) -> None:
    started = time.monotonic()
    with Wire(service) as wire:
        wire.send(HEAD + b"A:" + b"\r" * length)
        wire.drip_fast_until_cut_off()

    assert time.monotonic() - started < 7


def test_slowly_dripped_body_is_cut_off(service: Service) -> None:
    started = time.monotonic()
    with Wire(service) as wire:
        wire.send(POST + b"Content-Length: 4096\r\n\r\n")
        wire.read()

    assert time.monotonic() - started < 7


def connections(service: Service, port: int) -> int:
    """The number of the service's connections to this local port."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    pair = (f"0100007F:{service.port:04X}", f"0100007F:{port:04X}")
    return sum(tuple(row.split()[1:3]) == pair for row in rows)


@pytest.mark.timeout(90)
def test_client_that_never_reads_is_cut_off(service: Service) -> None:
    with Wire(service, receive_buffer=4096) as wire:
        wire.send_until_stuck(PING * 100)
        assert connections(service, wire.port) == 1

        eventually(lambda: connections(service, wire.port) == 0, within=60)

    assert service.get("/flights/ping").status_code == 200


HOSTILE = "/%1B%5B2J%0D%0A%C2%9B31m%E2%80%AE%7F%00%0A%7B%22event%22:%22forged%22%7D"


def test_hostile_path_is_one_harmless_log_line(service: Service) -> None:
    with Service(log_format="console") as with_console:
        for each in (service, with_console):
            ask(each, f"GET {HOSTILE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            line = eventually(lambda: lines_with("forged", each))[0]  # noqa: B023 - called at once
            assert line.isprintable()
            assert "404" in line
            assert "http.request" in line


def lines_with(text: str, service: Service) -> list[str]:
    return [line for line in service.log_text.split("\n") if text in line]
