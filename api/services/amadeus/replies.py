"""What Amadeus's replies say, whatever their shape (docs/amadeus.md, section "Errors")."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import orjson

from api.errors import (
    AmadeusBadAnswer,
    AmadeusMisconfigured,
    AmadeusQuota,
    AmadeusUnavailable,
    RejectedByAmadeus,
    UpstreamError,
)

JSON_TYPES: Final = frozenset({"application/json", "application/vnd.amadeus+json"})
# 38190 invalid, 38192 expired, 38193 revoked: another token will do.
TOKEN_CODES: Final = frozenset({"38190", "38192", "38193"})
# 38187 invalid client, 39683 key revoked, 39686 invalid key, 38196 not for this host.
CREDENTIAL_CODES: Final = frozenset({"38187", "39683", "39686", "38196"})
QUOTA_CODE: Final = "38195"
QUOTA_PAUSE_SECONDS: Final = 3600.0
NO_RESPONSE_CODE: Final = "1797"
# A sliding window of one second forgets in this time (docs/amadeus.md, section "Rate limits").
PACE_PAUSE_SECONDS: Final = 1.0
# For a reply that does not say how long its token lives, or says what cannot be.
ASSUMED_LIFE_SECONDS: Final = 300.0
MIN_LIFE_SECONDS: Final = 10.0
MAX_LIFE_SECONDS: Final = 24 * 3600.0
# What a header can carry (RFC 6750, 2.1, and what gateways really send).
_BEARER: Final = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Status, code and words of an error reply; what it did not say is empty.

    parameters: those that it names, of all errors in it that have this code.
    """

    status: int
    code: str = ""
    title: str = ""
    detail: str = ""
    parameters: tuple[str, ...] = ()

    @property
    def wants_new_token(self) -> bool:
        """Whether the same call may succeed with another token."""
        return self.status == HTTPStatus.UNAUTHORIZED and self.code in TOKEN_CODES

    @property
    def is_no_offers(self) -> bool:
        """Whether it is Amadeus's other way to say that it found nothing."""
        return self.status == HTTPStatus.NOT_FOUND and self.code == NO_RESPONSE_CODE

    @property
    def is_answer(self) -> bool:
        """Whether it says something about the search, and nothing is wrong with the service."""
        return self.is_no_offers or (
            self.status == HTTPStatus.BAD_REQUEST and isinstance(self.error(), RejectedByAmadeus)
        )

    def error(self) -> UpstreamError:
        """What the error reply means to a caller."""
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return AmadeusUnavailable("Amadeus reported an internal error.", may_pass=True)
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            if self.code == QUOTA_CODE:
                return AmadeusQuota(
                    "The monthly Amadeus quota is used up.",
                    retry_after=QUOTA_PAUSE_SECONDS,
                )
            return AmadeusUnavailable(
                "Amadeus reported too many calls.", retry_after=PACE_PAUSE_SECONDS, may_pass=True
            )
        if (
            self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            or self.code in CREDENTIAL_CODES
        ):
            return AmadeusMisconfigured(
                "Amadeus rejected this service's credentials, or they do not permit this call."
            )
        return RejectedByAmadeus(self._said())

    def _said(self) -> str:
        words = " ".join(filter(None, (self.title.capitalize(), self.code and f"({self.code})")))
        return f"Amadeus rejected the search: {words or f'status {self.status}'}."


@dataclass(frozen=True)
class Reply:
    """One answer of Amadeus's, whole and uncompressed. `media_type` is without parameters."""

    status: int
    media_type: str
    body: bytes

    @cached_property
    def error_reply(self) -> ErrorReply | None:
        """What an error reply says; None for a reply that is none."""
        is_error = self.status >= HTTPStatus.BAD_REQUEST
        return parse_error_document(self.status, self._document()) if is_error else None

    def result(self) -> dict[str, Any]:
        """The JSON object of a successful reply. Raises AmadeusBadAnswer where there is none."""
        if self.media_type not in JSON_TYPES:
            raise AmadeusBadAnswer("Amadeus's answer is not JSON.")
        document = self._document()
        if not document:
            raise AmadeusBadAnswer("Amadeus's answer is not a JSON object.")
        return document

    def _document(self) -> dict[str, Any]:
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}


def parse_error_document(status: int, document: dict[str, Any]) -> ErrorReply:
    """What the document of an error reply says: a list of errors, or one in OAuth's shape."""
    listed = document.get("errors")
    errors = listed if isinstance(listed, list) and listed else [document]
    first = errors[0] if isinstance(errors[0], dict) else {}
    code = _word(first.get("code"))
    alike = [one for one in errors if isinstance(one, dict) and _word(one.get("code")) == code]
    return ErrorReply(
        status=status,
        code=code,
        title=_word(first.get("title")) or _word(first.get("error")),
        detail=_word(first.get("detail")) or _word(first.get("error_description")),
        parameters=tuple(filter(None, map(_parameter, alike))),
    )


def _parameter(error: dict[str, Any]) -> str:
    source = error.get("source")
    return _word(source.get("parameter")) if isinstance(source, dict) else ""


def token_of(reply: Reply) -> tuple[str, float]:
    """The token and its life in seconds (docs/amadeus.md, section "Tokens").

    Raises AmadeusMisconfigured and AmadeusBadAnswer where there is none.
    """
    if error_reply := reply.error_reply:
        said = " ".join(
            filter(None, (str(error_reply.status), error_reply.code, error_reply.title))
        )
        raise AmadeusMisconfigured(f"Amadeus did not issue an access token ({said}).")
    document = reply.result()
    value = document.get("access_token")
    if not isinstance(value, str) or not _BEARER.fullmatch(value):
        raise AmadeusBadAnswer("Amadeus's token answer has no valid token.")
    return value, _life(document.get("expires_in"))


def _word(value: object) -> str:
    """A code or a phrase: codes come as numbers and as strings, anything else says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    printable = "".join(char for char in str(value) if char.isprintable())
    return printable[:200]


def _life(expires_in: object) -> float:
    try:
        life = float(expires_in)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ASSUMED_LIFE_SECONDS
    if not math.isfinite(life):
        return ASSUMED_LIFE_SECONDS
    return min(max(life, MIN_LIFE_SECONDS), MAX_LIFE_SECONDS)
