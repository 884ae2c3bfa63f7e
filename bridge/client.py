"""Calls a provider over pooled connections, with limits on the time and size of an answer."""

import json
import time
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NamedTuple

import gevent
import httpx2
import orjson

from bridge.errors import CallFailed

_CONNECT_SECONDS = 3.0
# Twice what 200 offers for nine travellers on six flights take.
_MAX_BODY_BYTES = 16 * 1024 * 1024


class Reply(NamedTuple):
    """A provider's answer. The content of an error is empty unless it is a JSON object."""

    status: int
    headers: Mapping[str, str]
    content: dict[str, Any]
    """Numbers with a fraction are Decimal."""


class Deadline:
    """A moment on the monotonic clock at which all work for a search ends."""

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, at least zero."""
        return max(0.0, self._at - time.monotonic())


class Client:
    """Sends calls to one provider. The headers, which have the key, go with each of them."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], connections: httpx2.BaseTransport
    ) -> None:
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
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Reply:
        """Send a call and read the whole answer before the deadline.

        Raises CallFailed if there is no answer that can be read.
        """
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
                return _read(response)
        except gevent.Timeout as timeout:
            if timeout is not total:
                raise
            raise CallFailed("no answer in time") from None
        # The cause is left out: it may show the headers, and so the key.
        except httpx2.RemoteProtocolError as error:
            closed = "disconnected without sending" in str(error)
            raise CallFailed("the answer is not HTTP", may_repeat=closed) from None
        except httpx2.HTTPError:
            raise CallFailed("the connection failed", may_repeat=True) from None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def _read(response: httpx2.Response) -> Reply:
    if response.is_redirect:
        raise CallFailed("the answer is a redirect")  # following it would send the key elsewhere
    chunks = response.iter_raw()
    if response.headers.get("Content-Encoding", "").lower() in {"gzip", "x-gzip"}:
        chunks = _gunzip(chunks)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise CallFailed("the answer is too large")
    is_error = response.status_code >= HTTPStatus.BAD_REQUEST
    try:
        orjson.loads(body)  # refuses what json accepts and no answer of ours could hold
        content = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        if not is_error:
            raise CallFailed("the answer is not a JSON object")
        content = {}
    return Reply(response.status_code, response.headers, content)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk, _MAX_BODY_BYTES + 1)
    except zlib.error:
        raise CallFailed("the answer cannot be decompressed") from None
