"""Pooled HTTP connections to Amadeus, with limits on the time and size of a reply."""

import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpcore2

from api.errors import AmadeusBadAnswer, AmadeusTimeout, AmadeusUnavailable, AmadeusUnreachable
from api.services.amadeus.replies import Reply, seconds_to_wait
from api.services.cache.fetches import MAX_FETCHES
from api.services.deadline import within

CONNECT_SECONDS: Final = 3.0
# Far more than 250 offers take (docs/amadeus.md, section "Answer").
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
# One for each fetch and one for the token.
MAX_CONNECTIONS: Final = MAX_FETCHES + 1
KEEP_ALIVE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request to Amadeus."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Connections(Protocol):
    """Sends requests; httpcore2.ConnectionPool is one.

    It follows no redirects, keeps no cookies and obeys no proxy of the environment.
    """

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Return the head of the response; its stream is the body."""

    def close(self) -> None:
        """Close all connections."""


def connections_to(base_url: str) -> Connections:
    """Return connections that are kept alive. Open none yet."""
    speaks_tls = base_url.startswith("https:")
    return httpcore2.ConnectionPool(
        # Loading the certificate authorities takes 45 ms, so plain HTTP skips it.
        ssl_context=ssl.create_default_context() if speaks_tls else None,
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_CONNECTIONS,
        keepalive_expiry=KEEP_ALIVE_SECONDS,
    )


class Transport:
    """Sends calls, and limits the time and size of their replies."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._is_closed = False

    def send(self, call: Call, seconds: float) -> Reply:
        """Send a call and read the whole reply within `seconds`.

        Raises AmadeusTimeout; AmadeusUnreachable if no connection can be opened;
        AmadeusUnavailable if the connection breaks; AmadeusBadAnswer if the reply is a redirect,
        too large, or not HTTP. Raises SystemExit after `close`, to end the calling thread.
        """
        if self._is_closed:
            raise SystemExit
        try:
            # Bound the total time: httpcore2 limits each read, and a slow server needs many.
            with within(seconds):
                response = self._connections.handle_request(_request(call, seconds))
                try:
                    return _read(response)
                finally:
                    response.close()
        except (TimeoutError, httpcore2.TimeoutException) as exc:
            raise AmadeusTimeout("Amadeus did not answer in time.") from exc
        except httpcore2.RemoteProtocolError as exc:
            if "disconnected without sending" in str(exc):
                raise AmadeusUnavailable("Amadeus closed the connection.", may_pass=True) from exc
            raise AmadeusBadAnswer(
                "Amadeus's answer is broken or incomplete.", may_pass=True
            ) from exc
        except httpcore2.ConnectError as exc:
            raise AmadeusUnreachable("The connection to Amadeus failed.", may_pass=True) from exc
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as exc:
            if self._is_closed:
                raise SystemExit from exc
            raise AmadeusUnavailable("The connection to Amadeus failed.", may_pass=True) from exc

    def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        self._connections.close()


def _request(call: Call, seconds: float) -> httpcore2.Request:
    headers = {"Host": urlsplit(call.url).netloc, "Accept-Encoding": "gzip", **call.headers}
    if call.body is not None:
        headers["Content-Length"] = str(len(call.body))
    return httpcore2.Request(
        call.method,
        call.url,
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        content=call.body,
        extensions={"timeout": {"connect": min(CONNECT_SECONDS, seconds)}},
    )


def _read(response: httpcore2.Response) -> Reply:
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        # Following it would send the token to another server.
        raise AmadeusBadAnswer("Amadeus answered with a redirect, which is not followed.")
    headers = {name.decode().title(): value.decode("latin-1") for name, value in response.headers}
    chunks = response.iter_stream()
    if headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
        chunks = _gunzip(chunks)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise AmadeusBadAnswer("Amadeus's answer is too large.")
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Reply(response.status, media_type, bytes(body), seconds_to_wait(headers))


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk, MAX_BODY_BYTES + 1)
    except zlib.error as exc:
        raise AmadeusBadAnswer("Amadeus's answer cannot be decompressed.") from exc
