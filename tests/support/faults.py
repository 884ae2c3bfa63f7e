"""A Redis proxy and an Amadeus that answer a chosen command or request wrongly.

Both run on gevent's sockets, in the process that plays the story.
"""

import json
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.client import parse_headers
from itertools import count
from select import select
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import parse_qs, urlsplit

import gevent
import httpx2
from gevent.server import StreamServer

from sandbox import SandboxConfig, create_app

# With "error reply" and "reset" the command is not executed. With the others it is executed, but
# the client does not learn the result.
RESET, SILENCE, ERROR, GARBAGE, NONSENSE, CUT = WAYS = (
    *("reset", "silence", "error reply"),
    *("garbage", "another kind of reply", "half a reply"),
)
NEITHER: Final = b"\x16\x03\x01 \xff is no protocol\r\n\r\n"
_COMMAND: Final = re.compile(rb"\*(\d+)\r\n")
_WORD: Final = re.compile(rb"\$(\d+)\r\n")
# All offers get the same price, and fewer of them take less processor time.
_FEW_OFFERS: Final = partial(re.compile(r"\bmax=\d+").sub, "max=3")


@dataclass
class Fault:
    """The fault of one command or request; `number` counts from 1 over all connections.

    With `of`, only commands or requests whose text contains it are counted.
    """

    number: int = 0
    way: str = ""
    of: str = ""
    seen: list[str] = field(default_factory=list)
    """Those commands or requests up to the end of the story, as text."""
    is_over: bool = False

    @property
    def was_played(self) -> bool:
        return 0 < self.number <= len(self.seen)

    def way_of(self, what: str) -> str:
        """How to answer the next command or request; "" means correctly."""
        if self.is_over or self.of not in what:
            return ""
        self.seen.append(what)
        return self.way if len(self.seen) == self.number else ""

    def __str__(self) -> str:
        what = self.seen[self.number - 1] if self.was_played else "what never came"
        return f"{self.way} to {self.number}, {what}"


class Server:
    """Listens on a free local port while the `with` lasts."""

    def __init__(self) -> None:
        self.fault = Fault()
        self.open: set[socket.socket] = set()
        self.spoilt: socket.socket | None = None
        """The connection that the fault has made unusable."""
        self._server = StreamServer(("127.0.0.1", 0), self._handle)

    def __enter__(self) -> Self:
        self._server.start()
        self.port = cast("int", self._server.server_port)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._server.stop()

    def begin(self, fault: Fault) -> None:
        """Play this fault only."""
        self.fault, self.spoilt = fault, None

    def _handle(self, client: socket.socket, _address: object) -> None:
        self.open.add(client)
        try:
            self._serve(client)
        except OSError:
            pass  # the client left
        finally:
            self.open.remove(client)

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def _spoil(self, client: socket.socket, way: str, replies: "Replies") -> bool:
        """Answer wrongly. Returns whether the connection stays open."""
        if way in (ERROR, NONSENSE):
            client.sendall(replies.error if way is ERROR else replies.nonsense)
            return True
        self.spoilt = client
        if way == RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if way == CUT:
            client.sendall(replies.right[: len(replies.right) // 2])
            return False
        if way == GARBAGE:
            client.sendall(NEITHER)
        while client.recv(65536):
            pass  # no answer, ever
        return False


@dataclass(frozen=True, slots=True)
class Replies:
    """Possible answers."""

    right: bytes
    error: bytes
    nonsense: bytes


class RedisProxy(Server):
    """A proxy in front of a real Redis that counts commands."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._redis_port = port

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._redis_port)) as server:
            asked = b""
            while True:
                command = first_command(asked)
                if command is None:
                    readable, _, _ = select([client, server], [], [])
                    if server in readable:  # announcements, which are not replies to a command
                        client.sendall(_some(server))
                    if client in readable:
                        asked += _some(client)
                    continue
                raw, words = command
                asked = asked[len(raw) :]
                way = self.fault.way_of(_said(words))
                done = way not in (RESET, ERROR)
                if done:
                    server.sendall(raw)
                reply = _some(server) if done else b""
                if not way:
                    client.sendall(reply)
                elif not self._spoil(client, way, _redis_replies(reply)):
                    return


def _some(connection: socket.socket) -> bytes:
    """Read the next bytes. Raises ConnectionError at the end."""
    data = connection.recv(65536)
    if not data:
        raise ConnectionError
    return data


def _redis_replies(right: bytes) -> Replies:
    return Replies(right, b"-ERR not today\r\n", b"*0\r\n" if right[:1] == b"+" else b":7\r\n")


def first_command(asked: bytes) -> tuple[bytes, list[bytes]] | None:
    """The first command in a client's bytes, raw and as text; None if it is incomplete."""
    head = _COMMAND.match(asked)
    if head is None:
        return None
    words, end = [], head.end()
    for _ in range(int(head[1])):
        length = _WORD.match(asked, end)
        if length is None or len(asked) < length.end() + int(length[1]) + 2:
            return None
        words.append(asked[length.end() : length.end() + int(length[1])])
        end = length.end() + int(length[1]) + 2
    return asked[:end], words


def _said(words: list[bytes]) -> str:
    name = words[0].decode().upper()
    if name == "EVAL":
        return f"{name} of {words[3].decode()}"
    return " ".join([name, *(word.decode(errors="replace")[:100] for word in words[1:4])])


@dataclass(frozen=True, slots=True)
class Search:
    """A correctly answered search: its route, and its time by time.monotonic."""

    route: tuple[str, str, str]
    at: float


class Amadeus(Server):
    """A proxy in front of a sandbox that counts requests and gives each search a unique price."""

    def __init__(self, search_seconds: float) -> None:
        super().__init__()
        self.searches: dict[str, Search] = {}
        """By price."""
        self.tokens = 0
        """The number of tokens issued."""
        self._search_seconds = search_seconds
        self._prices = count(1000)
        transport = httpx2.WSGITransport(app=create_app(SandboxConfig(admin=True)))
        self._sandbox = httpx2.Client(transport=transport, base_url="http://sandbox")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **wanted: Any) -> None:
        """Change settings of the sandbox."""
        assert self._sandbox.put("/admin/settings", json=wanted).is_success

    def revoke_tokens(self) -> None:
        """Refuse all tokens issued so far."""
        assert self._sandbox.post("/admin/tokens/revoke").is_success

    def _serve(self, client: socket.socket) -> None:
        with client.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode().split()
                headers = parse_headers(stream)
                body = stream.read(int(headers.get("Content-Length", 0)))
                way = self.fault.way_of(f"{method} {urlsplit(target).path}")
                done = way not in (RESET, ERROR)
                right = self._right(method, target, headers, body, way) if done else b""
                if not way:
                    client.sendall(right)
                elif not self._spoil(client, way, _amadeus_replies(right)):
                    return

    def _right(self, method: str, target: str, headers: Message, body: bytes, way: str) -> bytes:
        asked_at = time.monotonic()
        reply = self._sandbox.request(
            method, _FEW_OFFERS(target), headers=dict(headers.items()), content=body or None
        )
        content = reply.content
        if reply.is_success and method == "POST":
            self.tokens += not way
        elif reply.is_success:
            gevent.sleep(self._search_seconds)
            price = str(next(self._prices))
            query = parse_qs(urlsplit(target).query)
            names = ("originLocationCode", "destinationLocationCode", "departureDate")
            origin, destination, date = (query[name][0] for name in names)
            if not way:
                self.searches[price] = Search((origin, destination, date), asked_at)
            content = re.sub(rb'"grandTotal":"[^"]*"', f'"grandTotal":"{price}"'.encode(), content)
        return http_reply(reply.status_code, content)


def _amadeus_replies(right: bytes) -> Replies:
    error = {"errors": [{"status": 500, "code": 141, "title": "SYSTEM ERROR HAS OCCURRED"}]}
    return Replies(
        right,
        http_reply(500, json.dumps(error).encode()),
        http_reply(200, b'{"data": 7, "access_token": 7}'),
    )


def http_reply(status: int, content: bytes) -> bytes:
    """The bytes of an HTTP reply with a JSON body."""
    head = (
        f"HTTP/1.1 {status} Said\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
