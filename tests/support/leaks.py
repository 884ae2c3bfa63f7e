"""Finds secrets in texts, in plain or encoded form."""

import base64
from collections.abc import Iterable
from urllib.parse import quote

from tests.support.clients import plain_http
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import CLIENT_ID, CLIENT_SECRET


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that a text contains, plain or in base64, hex or URL encoding."""
    return [secret for secret in secrets if any(form in text for form in _spellings(secret))]


def _spellings(secret: str) -> list[str]:
    # The part that is the same at any position within a base64 text.
    shifted = [base64.b64encode(b" " * shift + secret.encode()).decode() for shift in range(3)]
    return [
        secret,
        quote(secret, safe=""),
        secret.encode().hex(),
        *(text.rstrip("=")[4:-2] for text in shifted),
    ]


def token_ending(sandbox: SandboxServer) -> str:
    """The common ending of the service's tokens: the sandbox writes the client's name into them."""
    tokens = [_token(sandbox), _token(sandbox)]
    ending = tokens[0][-16:]
    assert tokens[0] != tokens[1]
    assert tokens[1].endswith(ending)
    return ending


def _token(sandbox: SandboxServer) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    with plain_http.client(base_url=sandbox.url) as http:
        reply = http.post("/v1/security/oauth2/token", data=form)
    return str(reply.json()["access_token"])
