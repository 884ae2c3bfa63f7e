"""gunicorn sends a response in as few writes as possible."""

import socket
import sys
from contextlib import closing, suppress
from unittest.mock import create_autospec

import pytest
from gunicorn import http
from gunicorn.config import Config
from gunicorn.http import errors, wsgi

from api.serving.gunicorn_response import Response

HERE = ("127.0.0.1", 8080)


def writes(
    *pieces: bytes, method: str = "GET", length: int | None = None, header: str = "hit"
) -> list[bytes]:
    """The system calls' data when an application answers with these pieces."""

    client, server = socket.socketpair(
        socket.AF_UNIX, socket.SOCK_DGRAM
    )  # keeps the writes separate
    with closing(client), closing(server):
        client.send(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        request = next(http.get_parser(Config(), server, HERE))
        response, _ = wsgi.create(request, server, HERE, HERE, Config(), response_class=Response)
        of_length = [] if length is None else [("content-length", str(length))]
        response.start_response("200 OK", [("X-Cache", header), *of_length])
        for piece in pieces:
            response.write(piece)
        response.close()
        client.setblocking(False)
        seen = []
        with suppress(BlockingIOError):
            while True:
                seen.append(client.recv(65536))
        return seen


def test_head_and_body_are_sent_in_one_write() -> None:
    (whole,) = writes(b"body", length=4)

    head, body = whole.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: ")
    assert head.endswith(b"\r\nX-Cache: hit\r\ncontent-length: 4")
    assert body == b"body"


def test_large_body_is_sent_without_a_copy() -> None:
    request, sock = create_autospec(http.Request), create_autospec(socket.socket)
    request.method, request.version = "GET", (1, 1)
    sock.send.side_effect = len
    body = bytes(1_500_000)
    response = Response(request, sock, Config())
    response.start_response("200 OK", [("content-length", str(len(body)))])

    response.write(body)

    (sent,) = sock.sendall.call_args.args
    is_shared = sent is body  # asserting directly would print both bodies on failure
    assert is_shared


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_response_without_a_body_sends_its_head(method: str) -> None:
    (whole,) = writes(method=method, length=0)

    assert whole.endswith(b"content-length: 0\r\n\r\n")


def test_response_that_may_have_no_body_has_none() -> None:
    (whole,) = writes(b"body", method="HEAD", length=4)

    assert whole.endswith(b"content-length: 4\r\n\r\n")


def test_body_in_pieces_is_sent_in_order() -> None:
    assert b"".join(writes(b"one ", b"two", length=7)).endswith(b"\r\n\r\none two")


def test_body_of_unknown_length_is_sent_in_chunks() -> None:
    whole = b"".join(writes(b"one ", b"two"))

    assert b"\r\nTransfer-Encoding: chunked\r\n" in whole
    assert whole.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize("header", ["a\r\nSet-Cookie: b", "a\x00", "a\n b"])
def test_header_with_a_control_character_is_refused_every_time(header: str) -> None:
    for _ in range(2):
        with pytest.raises(errors.InvalidResponseHeader):  # type: ignore[attr-defined]
            writes(b"body", length=4, header=header)


def test_header_stays_the_same_when_it_is_sent_again() -> None:
    for _ in range(2):
        (whole,) = writes(b"body", length=4, header=" miss ")
        assert whole.endswith(b"\r\nX-Cache: miss\r\ncontent-length: 4\r\n\r\nbody")


def test_long_header_value_is_forgotten_once_it_is_sent() -> None:
    value = "X-A," * 2000
    holders = sys.getrefcount(value)

    writes(header=value)

    holders_left = sys.getrefcount(value)
    assert holders_left == holders
