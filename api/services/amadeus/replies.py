"""Parsing of Amadeus's replies, in all their shapes (docs/amadeus.md, section "Errors")."""

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import msgspec
import orjson

from api.errors import (
    AmadeusBadAnswer,
    AmadeusMisconfigured,
    AmadeusPaused,
    AmadeusQuota,
    AmadeusUnavailable,
    RejectedByAmadeus,
    UpstreamError,
)

JSON_TYPES: Final = frozenset({"application/json", "application/vnd.amadeus+json"})
# The token is invalid (38190), expired (38192) or revoked (38193); a new one helps.
TOKEN_CODES: Final = frozenset({"38190", "38192", "38193"})
# 38187: invalid client. 39683: revoked key. 39686: invalid key. 38196: not valid for this host.
CREDENTIAL_CODES: Final = frozenset({"38187", "39683", "39686", "38196"})
QUOTA_CODE: Final = "38195"
QUOTA_PAUSE_SECONDS: Final = 3600.0
# The longest pause that Amadeus may ask for: after it, a call shows whether the refusal holds.
MAX_PAUSE_SECONDS: Final = QUOTA_PAUSE_SECONDS
NO_RESPONSE_CODE: Final = "1797"
# Length of Amadeus's sliding window (docs/amadeus.md, section "Rate limits").
PACE_PAUSE_SECONDS: Final = 1.0
# For a reply without a valid `expires_in`.
ASSUMED_LIFE_SECONDS: Final = 300.0
MIN_LIFE_SECONDS: Final = 10.0
MAX_LIFE_SECONDS: Final = 24 * 3600.0
# Printable ASCII: wider than RFC 6750, section 2.1, because gateways send other characters too.
_BEARER: Final = re.compile(r"[!-~]{1,4096}")


class SearchResult(msgspec.Struct):
    """The parts of a search's answer that are read. Each offer is still JSON, and only checked."""

    data: list[msgspec.Raw]
    dictionaries: msgspec.Raw = msgspec.Raw(b"null")


_read_search_result: Final = msgspec.json.Decoder(SearchResult).decode


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Status, code and texts of an error reply; a missing part is empty.

    parameters: names of the rejected parameters, from all of its errors with this code.
    retry_after: seconds until the next call makes sense; None if Amadeus does not say.
    """

    status: int
    code: str = ""
    title: str = ""
    detail: str = ""
    parameters: tuple[str, ...] = ()
    retry_after: float | None = None

    @property
    def wants_new_token(self) -> bool:
        """Whether the same call may succeed with another token."""
        return self.status == HTTPStatus.UNAUTHORIZED and self.code in TOKEN_CODES

    @property
    def is_no_offers(self) -> bool:
        """Whether this is the error that Amadeus sends instead of an empty list of offers."""
        return self.status == HTTPStatus.NOT_FOUND and self.code == NO_RESPONSE_CODE

    @property
    def is_answer(self) -> bool:
        """Whether the error answers the search, rather than reporting a failure."""
        return self.is_no_offers or (
            self.status == HTTPStatus.BAD_REQUEST and isinstance(self.error(), RejectedByAmadeus)
        )

    def error(self) -> UpstreamError:
        """Return the error to raise for this reply."""
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return AmadeusUnavailable("Amadeus reported an internal error.", may_pass=True)
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            if self.code == QUOTA_CODE:
                return AmadeusQuota(
                    "The monthly Amadeus quota is used up.",
                    retry_after=self.retry_after or QUOTA_PAUSE_SECONDS,
                )
            if self.retry_after:
                return AmadeusPaused(
                    "Amadeus reported too many calls, and said when to go on; until then, searches"
                    " are paused.",
                    retry_after=self.retry_after,
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
        return RejectedByAmadeus(self._message())

    def _message(self) -> str:
        words = " ".join(filter(None, (self.title.capitalize(), self.code and f"({self.code})")))
        return f"Amadeus rejected the search: {words or f'status {self.status}'}."


@dataclass(frozen=True)
class Reply:
    """A complete, decompressed reply.

    media_type: without its parameters. retry_after: what `seconds_to_wait` returns.
    """

    status: int
    media_type: str
    body: bytes
    retry_after: float | None = None

    @cached_property
    def error_reply(self) -> ErrorReply | None:
        """The parsed error; None for a successful reply."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return None
        return parse_error_document(self.status, self._document(), self.retry_after)

    def search_result(self) -> SearchResult:
        """Return the offers of a successful search. Raises AmadeusBadAnswer without a list of them.

        Building all of the 50 offers would take ten times as long as checking them.
        """
        self._check_media_type()
        try:
            return _read_search_result(self.body.decode())  # which checks the encoding
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            self.result()
            raise AmadeusBadAnswer("Amadeus's answer has no list of offers.") from None

    def result(self) -> dict[str, Any]:
        """Return the JSON object of a successful reply. Raises AmadeusBadAnswer without one."""
        self._check_media_type()
        document = self._document()
        if not document:
            raise AmadeusBadAnswer("Amadeus's answer is not a JSON object.")
        return document

    def _check_media_type(self) -> None:
        if self.media_type not in JSON_TYPES:
            raise AmadeusBadAnswer("Amadeus's answer is not JSON.")

    def _document(self) -> dict[str, Any]:
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Return the value of Retry-After (RFC 9110, section 10.2.3) in seconds; None without one.

    A date counts from the `Date` of the reply, since the clocks may differ. A value that is over
    or cannot be read is none. The longest is MAX_PAUSE_SECONDS.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        if value.isascii() and value.isdecimal():
            seconds = float(value)
        else:
            sent = headers.get("Date")
            now = parsedate_to_datetime(sent) if sent else dt.datetime.now(dt.UTC)
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, MAX_PAUSE_SECONDS) if seconds > 0 else None


def parse_error_document(
    status: int, document: dict[str, Any], retry_after: float | None = None
) -> ErrorReply:
    """Parse the body of an error reply: a list of errors, or one error in OAuth's format."""
    listed = document.get("errors")
    errors = listed if isinstance(listed, list) and listed else [document]
    first = errors[0] if isinstance(errors[0], dict) else {}
    code = _text(first.get("code"))
    same_code = [one for one in errors if isinstance(one, dict) and _text(one.get("code")) == code]
    return ErrorReply(
        status=status,
        code=code,
        title=_text(first.get("title")) or _text(first.get("error")),
        detail=_text(first.get("detail")) or _text(first.get("error_description")),
        parameters=tuple(filter(None, map(_parameter, same_code))),
        retry_after=retry_after,
    )


def _parameter(error: dict[str, Any]) -> str:
    source = error.get("source")
    return _text(source.get("parameter")) if isinstance(source, dict) else ""


def token_of(reply: Reply) -> tuple[str, float]:
    """Return the token and its life in seconds (docs/amadeus.md, section "Tokens").

    Raises AmadeusMisconfigured for an error reply, AmadeusBadAnswer for one without a token.
    """
    if error := reply.error_reply:
        reason = " ".join(filter(None, (str(error.status), error.code, error.title)))
        raise AmadeusMisconfigured(f"Amadeus did not issue an access token ({reason}).")
    document = reply.result()
    value = document.get("access_token")
    if not isinstance(value, str) or not _BEARER.fullmatch(value):
        raise AmadeusBadAnswer("Amadeus's token answer has no valid token.")
    return value, _life(document.get("expires_in"))


def _text(value: object) -> str:
    """Return a code or text as a string; codes come as numbers too. Ignore other types."""
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
