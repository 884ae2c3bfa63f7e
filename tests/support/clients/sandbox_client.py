"""A client for a sandbox in this process, without sockets."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import httpx2

from sandbox import SandboxConfig, create_app

# Today for the sandboxes of unit tests, and a day in the future.
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
    """A clock that moves only when set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class AmadeusClient:
    """A client of a server in this process that speaks the protocol of Amadeus."""

    def __init__(self, app: Callable[..., Any], base_url: str) -> None:
        self.http = httpx2.Client(transport=httpx2.WSGITransport(app=app), base_url=base_url)
        self._token: str | None = None

    def ask_token(self, **form: str) -> httpx2.Response:
        """Request a token with this form."""
        usual = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "secret"}
        return self.http.post(TOKEN, data=usual | form)

    @property
    def token(self) -> str:
        """A token, fetched once and then kept."""
        if self._token is None:
            self._token = str(self.ask_token().json()["access_token"])
        return self._token

    def get(self, query: object, token: str | None = None) -> httpx2.Response:
        """Search with exactly this query, a dictionary or a raw query string."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if isinstance(query, str):
            return self.http.get(f"{SEARCH}?{query}", headers=headers)
        return self.http.get(SEARCH, params=query, headers=headers)  # type: ignore[arg-type]

    def search(self, **changes: Any) -> httpx2.Response:
        """Search 10 offers from JFK to LAX with these changes; None removes a parameter."""
        query = {k: v for k, v in (JFK_TO_LAX | {"max": 10} | changes).items() if v is not None}
        return self.get(query)

    def offers(self, **changes: Any) -> list[dict[str, Any]]:
        """All offers of a `search` with these changes."""
        answer = self.search(**{"max": None} | changes)
        assert answer.status_code == 200, answer.text
        offers: list[dict[str, Any]] = answer.json()["data"]
        return offers

    def post(self, body: object, **headers: str) -> httpx2.Response:
        """Search by a JSON body."""
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        if isinstance(body, str):
            return self.http.post(SEARCH, content=body, headers=headers)
        return self.http.post(SEARCH, json=body, headers=headers)


class InProcess(AmadeusClient):
    """A sandbox in this process, and a client that has a token for it."""

    def __init__(self, clock: Clock | None = None, **config: Any) -> None:
        self.clock = clock or Clock()
        self.app = create_app(
            SandboxConfig(clock=self.clock, monotonic=self.clock, admin=True, **config)
        )
        super().__init__(self.app, "http://sandbox")

    def fault(self, leg: str, name: str, arg: object = None, **more: Any) -> None:
        """Set a fault by the admin URL."""
        answer = self.http.put("/admin/faults", json={"leg": leg, "fault": name, "arg": arg} | more)
        assert answer.status_code == 200, answer.text

    def counters(self) -> dict[str, Any]:
        """The sandbox's counters."""
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
    """The codes of a refusal, each with its parameter or pointer."""
    return [
        (item["code"], next(iter(item.get("source", {"": ""}).values())))
        for item in answer.json()["errors"]
    ]


def price(offer: dict[str, Any]) -> float:
    """The total price of an offer."""
    return float(offer["price"]["grandTotal"])


def length(text: str) -> dt.timedelta:
    """Parse an ISO 8601 duration."""
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?", text)
    assert match
    return dt.timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))
