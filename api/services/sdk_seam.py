"""What the Amadeus SDK calls in the place of urlopen: its `http=` option.

The SDK believes that it fetches and refreshes its token itself, and that it opens a connection a
call. Here the vault answers its token requests, the pool carries its data calls, and every reply
gets a shape that its parser survives (docs/amadeus.md, section "The http option").
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import orjson

from api import metrics
from api.logs import Event, get_logger
from api.services.deadline import Deadline, current_deadline
from api.services.replies import Refusal, refusal_of
from api.services.token_vault import TOKEN_PATH, TokenVault
from api.services.transport import Call, Reply

# A life within the SDK's own buffer of 10 s makes it ask for the token before each call, so that
# the vault's clock is the only one.
HANDED_OUT_LIFE: Final = 0

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


class SdkSeam:
    """Callable with a `urllib.request.Request`; raises UpstreamError, which the SDK lets pass."""

    def __init__(self, vault: TokenVault, search: Callable[[Call, Deadline], Reply]) -> None:
        """`search`: makes one data call."""
        self._vault = vault
        self._search = search

    def __call__(self, request: Request) -> SdkReply:
        deadline = current_deadline.get()
        if urlsplit(request.full_url).path == TOKEN_PATH:
            token = self._vault.token(deadline).value
            return _token_reply(token)
        return _data_reply(self._send(request, deadline))

    def _send(self, request: Request, deadline: Deadline) -> Reply:
        """Make the call; a token that is rejected is replaced, once, and the call made again."""
        headers = dict(request.header_items())
        token = headers["Authorization"].removeprefix("Bearer ")
        reply = self._search(_call(request, headers), deadline)
        refusal = refusal_of(reply)
        if refusal is None:
            self._vault.accepted(token)
        if refusal is None or not refusal.wants_new_token:
            return reply
        metrics.TOKENS_REJECTED.inc()
        log.warning(Event.TOKEN_REJECTED, code=refusal.code)
        token = self._vault.replace(token, deadline).value
        return self._search(
            _call(request, headers | {"Authorization": f"Bearer {token}"}), deadline
        )


def _call(request: Request, headers: dict[str, str]) -> Call:
    return Call(request.get_method(), request.full_url, headers)


def _token_reply(token: str) -> SdkReply:
    document = {"access_token": token, "expires_in": HANDED_OUT_LIFE}
    return SdkReply(200, orjson.dumps(document))


def _data_reply(reply: Reply) -> SdkReply:
    refusal = refusal_of(reply)
    if refusal is not None:
        return SdkReply(reply.status, _refusal_document(refusal))
    return SdkReply(reply.status, reply.body)


def _refusal_document(refusal: Refusal) -> bytes:
    """The refusal in the one shape of which the SDK makes an error without failing itself."""
    errors = [
        {
            "status": refusal.status,
            "code": refusal.code,
            "title": refusal.title,
            "detail": refusal.detail,
            "source": {"parameter": parameter},
        }
        for parameter in refusal.parameters or ("",)
    ]
    return orjson.dumps({"errors": errors})
