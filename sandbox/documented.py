"""The answers that Amadeus documents for a status of an endpoint. A leg is one of the endpoints."""

from typing import Literal

from protocol.errors import KNOWN, SEARCH_TYPE, TOKEN_TYPE, AmadeusError, TokenError, errors_body
from sandbox.answer import Answer

Leg = Literal["token", "search"]

# The code for a status if none is given.
USUAL_CODE: dict[Leg, dict[int, int]] = {
    "search": {400: 477, 401: 38190, 403: 38197, 404: 1797, 429: 38194, 500: 141},
    "token": {400: 38187, 401: 38187, 403: 38197, 404: 38196, 429: 38194, 500: 38189},
}

# Codes that reject the client itself. The token endpoint answers them with one flat object
# (docs/amadeus.md, section "Tokens").
_CLIENT_CODES = frozenset({38187, 39683, 39686})


def documented_answer(
    leg: Leg, status: int, code: int | None = None, retry_after: int | None = None
) -> Answer:
    """Return the answer that Amadeus documents for a status (and code) of an endpoint.

    retry_after: seconds for the header Retry-After, which Amadeus does not document.
    """
    if code is None:
        code = USUAL_CODE[leg].get(status, 38189 if leg == "token" else 141)
    headers = {"Content-Type": SEARCH_TYPE if leg == "search" else TOKEN_TYPE}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if leg == "token" and (code in _CLIENT_CODES or status in {400, 500}):
        return Answer(status, headers, _token_error(status, code).as_json())
    return Answer(status, headers, errors_body(AmadeusError(code, status=status)))


def _token_error(status: int, code: int) -> TokenError:
    if status == 400:  # noqa: PLR2004 - an HTTP status
        return TokenError(
            "unsupported_grant_type",
            "Only client_credentials value is allowed for the body parameter grant_type",
            status=status,
            code=code,
        )
    known = KNOWN.get(code)
    description = (known.detail or known.title) if known else "Error"
    name = "invalid_client" if code in _CLIENT_CODES else "server_error"
    return TokenError(name, description, status=status, code=code)
