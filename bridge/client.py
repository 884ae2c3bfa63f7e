"""Calls a provider over pooled connections, with limits on the time and size of an answer."""

import os
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NamedTuple, TypeVar

import gevent
import httpx2
import orjson
from gevent.lock import BoundedSemaphore

from bridge.errors import CallFailed, ProviderError
from bridge.reading import text

_CONNECT_SECONDS = 3.0
# How many offers are read at once: a few milliseconds of work.
_OFFERS_AT_ONCE = 50
# A pause of no time would let other greenlets run, but not the event loop.
_PAUSE_SECONDS = 0.001
# How providers write the type and the code of an error; a free text has spaces or capitals.
_ERROR_NAME = re.compile("[a-z]{1,20}(?:_[a-z]{1,20}){0,7}")

T = TypeVar("T")


class Reply(NamedTuple):
    """A provider's answer. The content of an error is empty unless it is a JSON object."""

    status: int
    headers: Mapping[str, str]
    content: dict[str, Any]


@dataclass
class Call:
    """What came of a call to a provider. No part of it is a text of the provider or a secret.

    name: its method and path. status: of the answer; None if there was none. failure: what went
    wrong; empty if the answer could be used, or refuses what the client asked for. error: the type
    and the code of the provider's error, as far as they are names.
    """

    name: str
    status: int | None = None
    seconds: float = 0.0
    failure: str = ""
    error: str = ""


Observer = Callable[[Call], None]


class Deadline:
    """A moment on the monotonic clock at which all work for a search ends."""

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, at least zero."""
        return max(0.0, self._at - time.monotonic())

    def pace(self, offers: Iterable[T]) -> Iterator[T]:
        """Yield the offers of an answer, and let other requests run from time to time.

        Raises CallFailed at the deadline.
        """
        for number, offer in enumerate(offers):
            if number % _OFFERS_AT_ONCE == 0:
                gevent.sleep(_PAUSE_SECONDS)
                if not self.remaining():
                    raise CallFailed("no time left to read the answer")
            yield offer


class Client:
    """Sends calls to one provider. The headers, which have the key, go with each of them.

    observe: gets each call when it has ended. max_bytes: of an answer. parse: reads its JSON, and
    raises ValueError for what no answer of ours could hold: NaN, half a character, deep nesting.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        connections: httpx2.BaseTransport,
        observe: Observer,
        *,
        max_bytes: int,
        parse: Callable[[bytearray], Any] = orjson.loads,
    ) -> None:
        self._observe = observe
        self._max_bytes = max_bytes
        self._parse = parse
        self._parsing = BoundedSemaphore()
        self._secrets = {word for value in headers.values() for word in value.split()}
        self._http = httpx2.Client(
            base_url=base_url,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", **headers},
            transport=connections,
            trust_env=False,
            follow_redirects=False,
            # Keep no cookies: they would be sent with the searches of other clients.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    def send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        read: Callable[[Reply], T],
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> T:
        """Send a call, get the whole answer before the deadline, and return what `read` reads.

        Raises CallFailed if there is no answer that can be read, and what `read` raises.
        """
        with self._observed(f"{method} {path}") as call:
            return read(self._answer(call, method, path, deadline, params, body))

    def _answer(
        self,
        call: Call,
        method: str,
        path: str,
        deadline: Deadline,
        params: Mapping[str, str] | None,
        body: object,
    ) -> Reply:
        content, headers = None, {}
        if body is not None:
            content, headers = orjson.dumps(body), {"Content-Type": "application/json"}
        seconds = deadline.remaining()
        timeouts = httpx2.Timeout(None, connect=min(_CONNECT_SECONDS, seconds))
        # Bound the total time: httpx2 limits each read, and a slow server needs many.
        total = gevent.Timeout(max(seconds, 0.001))
        try:
            with (
                total,
                self._http.stream(
                    method, path, params=params, content=content, headers=headers, timeout=timeouts
                ) as response,
            ):
                call.status = response.status_code
                answer = _read(response, self._max_bytes)
                # One at a time, with a pause, because answers may come together.
                with self._parsing:
                    gevent.sleep(_PAUSE_SECONDS)
                    return _reply(response, answer, self._parse)
        except gevent.Timeout as timeout:
            if timeout is not total:
                raise
            raise CallFailed(f"no answer in {seconds:.1f} s") from None
        # The cause is left out: it may show the headers, and so the key.
        except httpx2.RemoteProtocolError as error:
            closed = "disconnected without sending" in str(error)
            raise CallFailed("the answer is not HTTP", may_repeat=closed) from None
        except httpx2.HTTPError as error:
            raise CallFailed(_connection_failure(error), may_repeat=True) from None

    @contextmanager
    def _observed(self, name: str) -> Iterator[Call]:
        call = Call(name)
        began = time.monotonic()
        try:
            yield call
        except CallFailed as error:
            call.failure = str(error)
            raise
        except ProviderError as error:
            call.failure = "" if error.blame else "the answer is an error"
            call.error = " ".join(filter(None, map(self._error_name, error.names)))
            raise
        except (gevent.Timeout, gevent.GreenletExit):
            call.failure = "no answer when the search ended"
            raise
        except Exception as error:
            call.failure = f"a bug of the bridge ({type(error).__name__})"
            raise
        finally:
            call.seconds = time.monotonic() - began
            self._observe(call)

    def _error_name(self, raw: Any) -> str | None:
        """Return the name that a provider gives an error; None if it could show a secret."""
        name = text(raw, _ERROR_NAME)
        is_secret = name and any(name in one or one in name for one in self._secrets)
        return None if is_secret else name

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def _connection_failure(error: BaseException) -> str:
    """Say why a connection failed, without a text that may come from the other side."""
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no connection in {_CONNECT_SECONDS:.0f} s"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    match cause:
        case socket.gaierror():
            why = "the name of the server is unknown"
        case ssl.SSLError():
            why = f"no TLS ({getattr(cause, 'reason', None)})"
        case OSError(errno=int(number)):
            why = os.strerror(number).lower()
        case _:
            why = "it broke"
    return f"the connection failed: {why}"


def _read(response: httpx2.Response, max_bytes: int) -> bytearray:
    if response.is_redirect:
        raise CallFailed("the answer is a redirect")  # following it would send the key elsewhere
    chunks = response.iter_raw()
    if response.headers.get("Content-Encoding", "").lower() in {"gzip", "x-gzip"}:
        chunks = _gunzip(chunks, max_bytes)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise CallFailed("the answer is too large")
    return body


def _reply(response: httpx2.Response, body: bytearray, parse: Callable[[bytearray], Any]) -> Reply:
    is_error = response.status_code >= HTTPStatus.BAD_REQUEST
    try:
        content = parse(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        if not is_error:
            raise CallFailed("the answer is not a JSON object")
        content = {}
    return Reply(response.status_code, response.headers, content)


def _gunzip(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk, max_bytes + 1)
    except zlib.error:
        raise CallFailed("the answer cannot be decompressed") from None
