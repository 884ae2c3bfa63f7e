"""Speaks to a sandbox in process, with no socket, the way that the price service does."""

import datetime as dt
import re
from typing import Any

import httpx2

from sandbox import SandboxConfig, create_app

# The day that the sandboxes of unit tests live on, and one that lies ahead.
TODAY = dt.date(2026, 11, 21)
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC).timestamp()
AHEAD = "2026-12-10"

TOKEN = "/v1/security/oauth2/token"
SEARCH = "/v2/shopping/flight-offers"
JFK_TO_LAX: dict[str, Any] = {
    "originLocationCode": "JFK",
    "destinationLocationCode": "LAX",
    "departureDate": AHEAD,
    "adults": 1,
}


class Clock:
    """A clock that stands still until told."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class InProcess:
    """A sandbox in this process, and a client that has a token for it."""

    def __init__(self, clock: Clock | None = None, **config: Any) -> None:
        self.clock = clock or Clock()
        self.app = create_app(
            SandboxConfig(clock=self.clock, monotonic=self.clock, admin=True, **config)
        )
        self.http = httpx2.Client(
            transport=httpx2.WSGITransport(app=self.app),
            base_url="http://sandbox",
        )
        self._token: str | None = None

    def ask_token(self, **form: str) -> httpx2.Response:
        """Ask for a token with this form."""
        usual = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "secret"}
        return self.http.post(TOKEN, data=usual | form)

    @property
    def token(self) -> str:
        """A token; the first one is kept."""
        if self._token is None:
            self._token = str(self.ask_token().json()["access_token"])
        return self._token

    def get(self, query: object, token: str | None = None) -> httpx2.Response:
        """Search with exactly this query: a dictionary, or a string as it stands."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if isinstance(query, str):
            return self.http.get(f"{SEARCH}?{query}", headers=headers)
        return self.http.get(SEARCH, params=query, headers=headers)  # type: ignore[arg-type]

    def search(self, **changes: Any) -> httpx2.Response:
        """Search JFK to LAX for one adult, but for these changes; None leaves one out."""
        query = {k: v for k, v in (JFK_TO_LAX | changes).items() if v is not None}
        return self.get(query)

    def offers(self, **changes: Any) -> list[dict[str, Any]]:
        """The offers of such a search."""
        answer = self.search(**changes)
        assert answer.status_code == 200, answer.text
        offers: list[dict[str, Any]] = answer.json()["data"]
        return offers

    def post(self, body: object, **headers: str) -> httpx2.Response:
        """Search by a JSON body."""
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        if isinstance(body, str):
            return self.http.post(SEARCH, content=body, headers=headers)
        return self.http.post(SEARCH, json=body, headers=headers)

    def fault(self, leg: str, name: str, arg: object = None, **more: Any) -> None:
        """Set a fault by the admin URL."""
        answer = self.http.put("/admin/faults", json={"leg": leg, "fault": name, "arg": arg} | more)
        assert answer.status_code == 200, answer.text

    def counters(self) -> dict[str, Any]:
        """What the sandbox has counted."""
        counters: dict[str, Any] = self.http.get("/admin/counters").json()
        return counters


def body(*directions: tuple[str, str, str], **changes: Any) -> dict[str, Any]:
    """The body of a POST: one adult in these directions (origin, destination, date)."""
    return {
        "originDestinations": [
            {
                "id": str(number),
                "originLocationCode": origin,
                "destinationLocationCode": destination,
                "departureDateTimeRange": {"date": date},
            }
            for number, (origin, destination, date) in enumerate(
                directions or [("JFK", "LAX", AHEAD)], 1
            )
        ],
        "travelers": [{"id": "1", "travelerType": "ADULT"}],
        "sources": ["GDS"],
    } | changes


def refusals(answer: httpx2.Response) -> list[tuple[int, str]]:
    """Each code that a refusal names, with the parameter or pointer to blame."""
    return [
        (item["code"], next(iter(item.get("source", {"": ""}).values())))
        for item in answer.json()["errors"]
    ]


def price(offer: dict[str, Any]) -> float:
    """What an offer costs in all."""
    return float(offer["price"]["grandTotal"])


def length(text: str) -> dt.timedelta:
    """A length of time in ISO 8601."""
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?", text)
    assert match
    return dt.timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))
