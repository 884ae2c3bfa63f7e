"""The call that fetches an access token: its request, and the advice when it fails."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from api import __version__
from api.errors import AmadeusMisconfigured, AmadeusUnreachable, UpstreamError
from api.services.amadeus.transport import Call

TOKEN_PATH: Final = "/v1/security/oauth2/token"  # noqa: S105
HINT: Final = (
    "AMADEUS_CLIENT_ID or AMADEUS_CLIENT_SECRET is wrong for this host, or no longer valid"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """This service's account at Amadeus."""

    client_id: str
    client_secret: str
    guest_office_id: str | None = None

    def form(self) -> bytes:
        """Return the body of a token call (RFC 6749, section 4.4.2)."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        if self.guest_office_id:
            fields["guest_office_id"] = self.guest_office_id
        return urlencode(fields).encode()


def token_call(url: str, credentials: Credentials) -> Call:
    """Return the call that fetches a token from this URL."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": f"flight-price-api/{__version__}",
    }
    return Call("POST", url, headers, credentials.form())


def hint_for(error: UpstreamError, url: str) -> str | None:
    """Return the advice for the operator that is logged with an error."""
    if isinstance(error, AmadeusMisconfigured):
        return HINT
    if isinstance(error, AmadeusUnreachable):
        return f"this machine cannot reach {urlsplit(url).netloc}: {error.__cause__}"
    return None
