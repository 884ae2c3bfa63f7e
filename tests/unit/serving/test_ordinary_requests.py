"""Ordinary requests are read in a shorter way, with the result that gunicorn's own way has."""

from typing import Any
from unittest.mock import Mock

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader
from hypothesis import example, given
from hypothesis import strategies as st

from api.serving.gunicorn_request import Request
from api.serving.wsgi_environ import environ_of

HERE = ("127.0.0.1", 8080)
CLIENT = ("127.0.0.1", 50000)
CFG = Config()
# The specification does not ask for these, and nothing uses them.
UNUSED = {"SERVER_SOFTWARE", "gunicorn.socket", "wsgi.early_hints", "wsgi.file_wrapper"}
# These differ because the worker has settings that Config() has not.
OWN = {"wsgi.errors", "wsgi.multiprocess", "wsgi.multithread"}
CURL = (
    b"GET /flights/price?origin=JFK&destination=LAX HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"
)

PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
TARGETS = st.builds("/{}".format, st.text("aZ09-._~%&=+:@?/\"'<>[]", max_size=12))
NAMES = st.sampled_from(["Accept", "accept", "Connection", "Cookie", "Host", "X-API-Key", "X_Key"])
VALUES = st.one_of(st.sampled_from(["keep-alive", "close", ""]), st.text(PRINTABLE, max_size=8))
FIELDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
ORDINARY = st.builds(
    lambda target, fields: (
        f"GET {target} HTTP/1.1\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        + "\r\n"
    ).encode(),
    TARGETS,
    FIELDS,
)
PIECES = st.sampled_from(
    [
        *(
            b"",
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\r\n",
            b"\r\n\r\n",
            b"\0",
            b"\x7f",
            b"\xe9",
            b":",
            b"/",
            b"?",
        ),
        *(
            b"#",
            b"%",
            b"*",
            b"http://x",
            b"HEAD",
            b"1.0",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\r\n folded",
        ),
        *(b"\r\nContent-Length: 4", b"\r\nTransfer-Encoding: chunked", b"\r\nExpect: 100-continue"),
    ]
)
# Each replaces some bytes of an ordinary head.
OTHERS = st.builds(
    lambda head, at, size, piece: head[:at] + piece + head[at + size :],
    ORDINARY,
    st.integers(0, 60),
    st.integers(0, 4),
    PIECES,
)
HEADS = st.one_of(ORDINARY, OTHERS)


def outcome(kind: type[GunicornRequest], head: bytes) -> dict[str, Any] | tuple[type, str]:
    """What a request says, or the error that it is refused with."""
    unreader = IterUnreader([head])
    try:
        request: Any = kind(CFG, unreader, CLIENT)
    except (ParseException, NoMoreData) as exc:
        return type(exc), str(exc)
    names = ("method", "uri", "path", "query", "fragment", "version", "headers", "scheme")
    said = {name: getattr(request, name) for name in names}
    reader = request.body.reader
    return said | {
        "should close": request.should_close(),
        "expects 100-continue": request._expected_100_continue,  # noqa: SLF001
        "proxy": request.proxy_protocol_info,
        "reader": (type(reader), getattr(reader, "length", None)),
        "rest": unreader.read(),
    }


@given(HEADS)
@example(CURL)
@example(CURL[:-2] + b"X: x\r\n" * 64 + b"\r\n")
def test_request_is_the_same_as_that_of_gunicorn(head: bytes) -> None:
    assert outcome(Request, head) == outcome(GunicornRequest, head)


@pytest.mark.parametrize(
    "fields",
    [
        b"Host: x\r\nHost: y\r\n",
        b"Accept: x\r\naccept: y\r\n",
        b"Content-Length: 4\r\n",
        b"content-length: x\r\n",
        b"Content-Type: x\r\ncontent-type: y\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Expect: x\r\n",
        b"Connection: close\r\n",
        b"X_Key: x\r\n",
        b"X: x\r\n" * 101,
    ],
)
def test_unusual_fields_are_left_to_gunicorn(fields: bytes) -> None:
    head = b"GET / HTTP/1.1\r\n%s\r\n" % fields

    assert outcome(Request, head) == outcome(GunicornRequest, head)


@pytest.mark.parametrize("target", [b"//x/y?z", b"/x#y", b"/?x?y", b"http://x/", b"/ x", b"*"])
def test_unusual_targets_are_left_to_gunicorn(target: bytes) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target

    assert outcome(Request, head) == outcome(GunicornRequest, head)


@given(HEADS)
@example(CURL)
def test_environment_is_the_same_as_that_of_gunicorn(head: bytes) -> None:
    try:
        request = Request(CFG, IterUnreader([head]), CLIENT)
    except (ParseException, NoMoreData):
        return

    environ = environ_of(request, CLIENT, HERE)

    _, expected = wsgi.create(request, Mock(), CLIENT, HERE, CFG)
    assert environ.keys() == expected.keys() - UNUSED
    assert {key: expected[key] for key in environ.keys() - OWN} == {
        key: environ[key] for key in environ.keys() - OWN
    }


@pytest.mark.parametrize("field", ["", "Connection: keep-alive\r\n", 'If-None-Match: "a"\r\n'])
def test_ordinary_request_is_not_read_by_gunicorn(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(GunicornRequest, "parse")

    assert outcome(Request, CURL[:-2] + field.encode() + b"\r\n")
