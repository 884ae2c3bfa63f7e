"""What the Amadeus SDK calls in the place of urlopen: its `http=` option.

The SDK believes that it fetches and refreshes its token itself, and that it opens a connection a
call. Here the token provider answers its token requests, the pool carries its data calls, and
every reply gets a shape that its parser survives (docs/amadeus.md, section "The http option").
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import orjson

from api.services.amadeus.replies import ErrorReply, Reply
from api.services.amadeus.token_provider import TOKEN_PATH, TokenProvider
from api.services.amadeus.transport import Call
from api.services.deadline import Deadline, current_deadline
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# A life within the SDK's own buffer of 10 s makes it ask for the token before each call, so that
# the token provider's clock is the only one.
SDK_TOKEN_EXPIRES_IN: Final = 0

log = get_logger()


class SdkReply:
    """The part of urlopen's answer that the SDK reads."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    def info(self) -> dict[str, str]:
        """The headers; the SDK wants the media type to the letter."""
        return {"Content-Type": "application/json"}

    def read(self) -> bytes:
        """The whole body."""
        return self._body


class SearchRefused(Exception):
    """Amadeus refused a search; `error_reply` is what it said."""

    def __init__(self, error_reply: ErrorReply) -> None:
        super().__init__()
        self.error_reply = error_reply


class SdkHttpAdapter:
    """Callable with a `urllib.request.Request`.

    Raises UpstreamError and SearchRefused, which the SDK lets pass.
    """

    def __init__(
        self, token_provider: TokenProvider, search: Callable[[Call, Deadline], Reply]
    ) -> None:
        """`search`: makes one data call."""
        self._token_provider = token_provider
        self._search = search

    def __call__(self, request: Request) -> SdkReply:
        deadline = current_deadline.get()
        if urlsplit(request.full_url).path == TOKEN_PATH:
            token = self._token_provider.token(deadline).value
            document = {"access_token": token, "expires_in": SDK_TOKEN_EXPIRES_IN}
            return SdkReply(200, orjson.dumps(document))
        reply = self._send(request, deadline)
        if reply.error_reply:
            raise SearchRefused(reply.error_reply)
        return SdkReply(reply.status, reply.body)

    def _send(self, request: Request, deadline: Deadline) -> Reply:
        """Make the call; a token that is rejected is replaced, once, and the call made again."""
        headers = dict(request.header_items())
        token = headers["Authorization"].removeprefix("Bearer ")
        reply = self._search(_call(request, headers), deadline)
        if reply.error_reply is None:
            self._token_provider.accepted(token)
        if reply.error_reply is None or not reply.error_reply.wants_new_token:
            return reply
        metrics.TOKENS_REJECTED.inc()
        log.warning(Event.TOKEN_REJECTED, code=reply.error_reply.code)
        token = self._token_provider.replace(token, deadline).value
        return self._search(
            _call(request, headers | {"Authorization": f"Bearer {token}"}), deadline
        )


def _call(request: Request, headers: dict[str, str]) -> Call:
    return Call(request.get_method(), request.full_url, headers)
