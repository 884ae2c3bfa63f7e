"""Pooled HTTP connections to Amadeus, with limits on the time and size of a reply."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from api.errors import AmadeusBadAnswer, AmadeusTimeout, AmadeusUnavailable, AmadeusUnreachable
from api.services.amadeus.replies import Reply, seconds_to_wait
from api.services.cache.read_through import MAX_FETCHES
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


class Transport:
    """Sends calls over connections that are kept alive."""

    def __init__(self, connections: httpx2.BaseTransport) -> None:
        self._client = httpx2.Client(
            transport=connections,
            trust_env=False,
            follow_redirects=False,
            headers={"Accept-Encoding": "gzip"},
            # Keep no cookies: they would be sent with the calls of other clients.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    def send(self, call: Call, seconds: float) -> Reply:
        """Send a call and read the whole reply within `seconds`.

        Raises AmadeusTimeout; AmadeusUnreachable if no connection can be opened;
        AmadeusUnavailable if the connection breaks; AmadeusBadAnswer if the reply is a redirect,
        too large, or not HTTP. Raises SystemExit after `close`, to end the calling thread.
        """
        if self._client.is_closed:
            raise SystemExit
        # Bound the total time too: httpx2 limits each read, and a slow server needs many.
        timeouts = httpx2.Timeout(None, connect=min(CONNECT_SECONDS, seconds))
        try:
            with (
                within(seconds),
                self._client.stream(
                    call.method, call.url, headers=call.headers, content=call.body, timeout=timeouts
                ) as response,
            ):
                return _read(response)
        except (TimeoutError, httpx2.TimeoutException) as exc:
            raise AmadeusTimeout("Amadeus did not answer in time.") from exc
        except httpx2.RemoteProtocolError as exc:
            if "disconnected without sending" in str(exc):
                raise AmadeusUnavailable("Amadeus closed the connection.", may_pass=True) from exc
            raise AmadeusBadAnswer(
                "Amadeus's answer is broken or incomplete.", may_pass=True
            ) from exc
        except httpx2.ConnectError as exc:
            raise AmadeusUnreachable("The connection to Amadeus failed.", may_pass=True) from exc
        except httpx2.HTTPError as exc:
            if self._client.is_closed:
                raise SystemExit from exc
            raise AmadeusUnavailable("The connection to Amadeus failed.", may_pass=True) from exc

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _read(response: httpx2.Response) -> Reply:
    if response.is_redirect:
        # Following it would send the token to another server.
        raise AmadeusBadAnswer("Amadeus answered with a redirect, which is not followed.")
    chunks = response.iter_raw()
    if response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
        chunks = _gunzip(chunks)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise AmadeusBadAnswer("Amadeus's answer is too large.")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    retry_after = seconds_to_wait(response.headers)
    return Reply(response.status_code, media_type, bytes(body), retry_after)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk, MAX_BODY_BYTES + 1)
    except zlib.error as exc:
        raise AmadeusBadAnswer("Amadeus's answer cannot be decompressed.") from exc
