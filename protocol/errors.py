"""The errors of Amadeus, and their two formats.

Sources: the OpenAPI files (425 to 32171, and 141), the developer guides' page on common errors
(38187 to 38197, 39683, 39686), and reported answers (701, 1797). The search API and the gateway
answer with a list `errors`; the token endpoint answers with one flat object.
"""

from typing import Any, NamedTuple

import orjson

SEARCH_TYPE = "application/vnd.amadeus+json"
TOKEN_TYPE = "application/json"  # noqa: S105 - a media type
MAX_ERRORS = 10


class _Known(NamedTuple):
    status: int
    title: str
    detail: str | None = None


KNOWN: dict[int, _Known] = {
    141: _Known(500, "SYSTEM ERROR HAS OCCURRED"),
    425: _Known(400, "INVALID DATE"),
    477: _Known(400, "INVALID FORMAT", "invalid query parameter format"),
    701: _Known(401, "AUTHENTICATION FAILED"),
    1797: _Known(404, "NOT FOUND", "No response found for this query"),
    2668: _Known(400, "PARAMETER COMBINATION INVALID/RESTRICTED"),
    4926: _Known(400, "INVALID DATA RECEIVED"),
    10661: _Known(400, "MAXIMUM NUMBER OF OCCURRENCES EXCEEDED"),
    32171: _Known(400, "MANDATORY DATA MISSING"),
    38187: _Known(401, "Invalid parameters", "Client credentials are invalid"),
    38189: _Known(
        500, "Internal error", "An internal error occurred, please contact your administrator"
    ),
    38190: _Known(
        401,
        "Invalid access token",
        "The access token provided in the Authorization header is invalid",
    ),
    38191: _Known(
        401,
        "Invalid HTTP header",
        "Missing or invalid format for mandatory Authorization header",
    ),
    38192: _Known(401, "Access token expired", "The access token is expired"),
    38193: _Known(401, "Access token revoked", "The access token is revoked"),
    38194: _Known(
        429,
        "Too many requests",
        "The network rate limit is exceeded, please try again later",
    ),
    38195: _Known(
        429,
        "Quota limit exceeded",
        "You have exceeded the quota of calls for this month",
    ),
    38196: _Known(404, "Resource not found", "The targeted resource doesn't exist"),
    38197: _Known(
        403,
        "Forbidden",
        "The access is forbidden for security reasons",
    ),
    39683: _Known(401, "API key revoked", "The API key has been revoked"),
    39686: _Known(401, "Invalid API key", "The API key is not valid"),
}


class AmadeusError(Exception):
    """One documented error; `parameter` or `pointer` names its cause in the request.

    retry_after: seconds until the client may try again, if they are known.
    """

    def __init__(
        self,
        code: int,
        detail: str | None = None,
        *,
        parameter: str | None = None,
        pointer: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        known = KNOWN.get(code, _Known(status or 500, "UNKNOWN ERROR"))
        super().__init__(f"{code} {detail or known.title}")
        self.status = status or known.status
        self.code = code
        self.title = known.title
        self.detail = detail or known.detail
        self.retry_after = retry_after
        self.source: dict[str, str] = {}
        if parameter is not None:
            self.source = {"parameter": parameter}
        elif pointer is not None:
            self.source = {"pointer": pointer}

    def item(self) -> dict[str, Any]:
        """Return the error as an entry of the list `errors`."""
        item: dict[str, Any] = {"status": self.status, "code": self.code, "title": self.title}
        if self.detail:
            item["detail"] = self.detail
        if self.source:
            item["source"] = self.source
        return item


class InvalidSearch(Exception):
    """The first errors of one search, MAX_ERRORS at most. Amadeus reports them in one answer."""

    def __init__(self, errors: list[AmadeusError]) -> None:
        self.errors = errors[:MAX_ERRORS]
        super().__init__("; ".join(map(str, self.errors)))


class TokenError(Exception):
    """An error of the token endpoint, in the flat format of its OpenAPI file."""

    def __init__(self, error: str, description: str, *, status: int, code: int = 38187) -> None:
        super().__init__(f"{code} {description}")
        self.status = status
        self.body = {
            "error": error,
            "error_description": description,
            "code": code,
            "title": KNOWN[code].title if code in KNOWN else "Error",
        }

    def as_json(self) -> bytes:
        """Return the body of the answer."""
        return orjson.dumps(self.body)


def errors_body(*errors: AmadeusError) -> bytes:
    """Return the body with the list `errors`. The status of the answer is that of the first one."""
    return orjson.dumps({"errors": [error.item() for error in errors]})
