"""Faults below HTTP: what a broken network, proxy or server does to a connection.

These faults need the client's connection, which the server of `python -m sandbox` provides. In
process there is no connection, so each of these faults raises ConnectionResetError there.
"""

from collections.abc import Callable
from typing import Protocol

import gevent

from sandbox.answer import Answer

WIRE_KEY = "sandbox.wire"

_HANG = 600.0  # seconds
_DRIP = 0.2  # seconds between two bytes
# Seconds in which the client can read the data before the reset.
_RESET_DELAY = 0.05


class Wire(Protocol):
    """The client's connection. It closes after the fault."""

    def send(self, data: bytes) -> None:
        """Send raw bytes. Raises OSError if the client has closed the connection."""

    def wait_closed(self, seconds: float) -> None:
        """Wait until the client has closed its side, at most so many seconds."""

    def reset(self) -> None:
        """Close with a TCP reset."""

    def used(self) -> None:
        """Count the connection as one that carried a token or search request."""


class NoWire:
    """The replacement for a connection in process. Its faults raise ConnectionResetError."""

    def send(self, data: bytes) -> None:  # noqa: ARG002 - as in Wire
        raise ConnectionResetError("no connection in process to play this fault on")

    def wait_closed(self, seconds: float) -> None:
        # So that a time limit of the client ends the wait, whatever it has patched.
        gevent.sleep(seconds)
        raise ConnectionResetError("no connection in process to play this fault on")

    def reset(self) -> None:
        raise ConnectionResetError("reset by the sandbox")

    def used(self) -> None:
        pass


WireFault = Callable[[Wire, Answer, str | None], None]


def _number(arg: str | None, default: float) -> float:
    return default if arg is None else float(arg)


def _drip(wire: Wire, data: bytes, seconds: float) -> None:
    for position in range(len(data)):
        wire.send(data[position : position + 1])
        wire.wait_closed(seconds)


def _hang(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.wait_closed(_number(arg, _HANG))


def _hang_in_body(wire: Wire, answer: Answer, arg: str | None) -> None:
    wire.send(_whole_head(answer) + _half(answer))
    wire.wait_closed(_number(arg, _HANG))


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
    wire.wait_closed(_RESET_DELAY)
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

# Faults whose argument is the status of the answer that is cut off.
CUT_FAULTS = frozenset({"truncated", "truncated_no_length", "truncated_chunk"})
