"""Faults below HTTP: what a broken network, proxy or server does to a connection.

They need the client's connection itself, which the server of `python -m sandbox` hands over. In
process there is no connection: there each of them ends as ConnectionResetError out of the
application, the nearest thing that a WSGI caller can feel.
"""

import time
from collections.abc import Callable
from typing import Protocol

from sandbox.answer import Answer

WIRE_KEY = "sandbox.wire"

_HANG = 600.0  # seconds
_DRIP = 0.2  # seconds between two bytes
# Long enough for the client to read what came before the end.
_MOMENT = 0.05


class Wire(Protocol):
    """The client's connection, taken over from the server. It closes when the fault is over."""

    def send(self, data: bytes) -> None:
        """Send these bytes as they are. Raises OSError when the client has left."""

    def wait_gone(self, seconds: float) -> None:
        """Return when the client has left, even if only with sending, or after so many seconds."""

    def reset(self) -> None:
        """Close with a TCP reset."""

    def used(self) -> None:
        """Note that a token or search request came over it."""


class NoWire:
    """What there is in process."""

    def send(self, data: bytes) -> None:  # noqa: ARG002 - there is no one to send it to
        raise ConnectionResetError("no connection in process to play this fault on")

    def wait_gone(self, seconds: float) -> None:
        time.sleep(seconds)
        raise ConnectionResetError("no connection in process to play this fault on")

    def reset(self) -> None:
        raise ConnectionResetError("reset by the sandbox")

    def used(self) -> None:
        pass


WireFault = Callable[[Wire, Answer, str | None], None]


def _number(arg: str | None, usual: float) -> float:
    return usual if arg is None else float(arg)


def _drip(wire: Wire, data: bytes, seconds: float) -> None:
    for position in range(len(data)):
        wire.send(data[position : position + 1])
        wire.wait_gone(seconds)


def _hang(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.wait_gone(_number(arg, _HANG))


def _hang_in_body(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer) + _half(answer))
    wire.wait_gone(_number(arg, _HANG))


def _slow_headers(wire: Wire, answer: Answer, arg: str | None) -> None:
    _drip(wire, _whole_head(answer), _number(arg, _DRIP))
    wire.send(answer.body)


def _slow_body(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer))
    _drip(wire, answer.body, _number(arg, _DRIP))


def _reset(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.reset()


def _reset_in_body(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer) + _half(answer))
    wire.wait_gone(_MOMENT)
    wire.reset()


def _close(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(b"")


def _truncated(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer) + _half(answer))


def _truncated_no_length(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(answer.head() + _half(answer))


def _truncated_chunk(wire: Wire, answer: Answer, arg: str | None) -> None:
    size = f"{len(answer.body):x}\r\n".encode()
    wire.send(answer.head(Transfer_Encoding="chunked") + size + _half(answer))


def _bad_chunk(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(answer.head(Transfer_Encoding="chunked") + b"not-a-size\r\n" + answer.body)


def _garbage(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(b"hello this is not http\r\n\r\n")


def _many_headers(wire: Wire, answer: Answer, arg: str | None) -> None:
    more = {f"X_Filler_{n}": "1" for n in range(int(_number(arg, 150)))}
    wire.send(_whole_head(answer, **more) + answer.body)


def _long_header(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer, X_Filler="x" * int(_number(arg, 70_000))) + answer.body)


def _whole_head(answer: Answer, **more: str) -> bytes:
    return answer.head(Content_Length=str(len(answer.body)), **more)


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


WIRE_FAULTS: dict[str, WireFault] = {
    "hang": _hang,
    "hang_in_body": _hang_in_body,
    "slow_headers": _slow_headers,
    "slow_body": _slow_body,
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "close": _close,
    "truncated": _truncated,
    "truncated_no_length": _truncated_no_length,
    "truncated_chunk": _truncated_chunk,
    "bad_chunk": _bad_chunk,
    "garbage": _garbage,
    "many_headers": _many_headers,
    "long_header": _long_header,
}

# Those whose argument is the status of the answer that is cut, not a number of theirs.
CUT_FAULTS = frozenset({"truncated", "truncated_no_length", "truncated_chunk"})
