"""The function that the Amadeus SDK calls instead of urlopen: its `http` option.

The token provider answers its token requests, and pooled connections carry its other calls. Replies
get a shape that its parser accepts (docs/amadeus.md, section "The http option").
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import orjson

from api.services.amadeus.replies import ErrorReply, Reply
from api.services.amadeus.token_call import TOKEN_PATH
from api.services.amadeus.token_provider import TokenProvider
from api.services.amadeus.transport import Call
from api.services.deadline import Terms, current_terms
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

# The SDK asks for a new token when the present one has less than 10 s left. With zero it asks
# before each call, so that only the token provider decides how long a token is used.
SDK_TOKEN_EXPIRES_IN: Final = 0

log = get_logger()


class SdkReply:
    """The part of urlopen's response that the SDK reads."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    def info(self) -> dict[str, str]:
        """Return the headers. The SDK compares the media type with exactly this value."""
        return {"Content-Type": "application/json"}

    def read(self) -> bytes:
        """Return the whole body."""
        return self._body


class SearchRejected(Exception):
    """Amadeus answered a search with an error."""

    def __init__(self, error_reply: ErrorReply) -> None:
        super().__init__()
        self.error_reply = error_reply


class SdkHttpAdapter:
    """A callable that takes a `urllib.request.Request`.

    Raises UpstreamError and SearchRejected; the SDK does not catch them.
    """

    def __init__(
        self,
        token_provider: TokenProvider,
        search: Callable[[Call, Terms], Reply],
        metrics: Metrics,
    ) -> None:
        """Create the adapter. search: makes one search call."""
        self._token_provider = token_provider
        self._search = search
        self._metrics = metrics

    def __call__(self, request: Request) -> SdkReply:
        terms = current_terms.get()
        if urlsplit(request.full_url).path == TOKEN_PATH:
            token = self._token_provider.token(terms.deadline).value
            document = {"access_token": token, "expires_in": SDK_TOKEN_EXPIRES_IN}
            return SdkReply(200, orjson.dumps(document))
        reply = self._send(request, terms)
        if reply.error_reply:
            raise SearchRejected(reply.error_reply)
        return SdkReply(reply.status, reply.body)

    def _send(self, request: Request, terms: Terms) -> Reply:
        """Make the call. If Amadeus rejects the token, replace it and try again.

        The replacement may be the token of another replica, and rejected too; a token that was
        fetched for this call is the last one.
        """
        headers = dict(request.header_items())
        token = headers["Authorization"].removeprefix("Bearer ")
        for replacements_left in (2, 1, 0):
            headers["Authorization"] = f"Bearer {token}"
            call = Call(request.get_method(), request.full_url, headers)
            reply = self._search(call, terms)
            error = reply.error_reply
            if error is None:
                self._token_provider.mark_accepted(token)
            if error is None or not error.wants_new_token or not replacements_left:
                break
            self._metrics.tokens_rejected.inc()
            log.warning(Event.TOKEN_REJECTED, code=error.code)
            token = self._token_provider.replace(token, terms.deadline).value
        return reply
