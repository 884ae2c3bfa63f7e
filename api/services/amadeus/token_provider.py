"""One access token for the whole fleet: fetched, shared, refreshed and replaced.

The token is an answer like any other: it is read through the store that all workers share,
fetched by one of them, and refreshed ahead. Here are only its life and its secrecy.
"""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.errors import AmadeusBadAnswer, AmadeusMisconfigured, AmadeusUnreachable, UpstreamError
from api.services.amadeus.replies import Reply, token_of
from api.services.amadeus.transport import Call
from api.services.cache.entries import Entry
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

TOKEN_PATH: Final = "/v1/security/oauth2/token"  # noqa: S105
FETCH_SECONDS: Final = 5.0
# The part of its life that a token is used for, less at most SAFETY_SECONDS, and the part of
# that after which its successor is fetched.
USED_LIFE: Final = 0.9
SAFETY_SECONDS: Final = 10.0
REFRESH_FROM: Final = 0.8
# A token that was fetched in the place of a rejected one and is rejected itself, so soon, shows
# that another one will not help. With each that is, it takes twice as long until one is tried.
REJECTION_WINDOW_SECONDS: Final = 10.0
MAX_PAUSE_SECONDS: Final = 60.0
MIN_SLEEP_SECONDS: Final = 1.0
MAX_SLEEP_SECONDS: Final = 30.0
HINT: Final = (
    "AMADEUS_CLIENT_ID or AMADEUS_CLIENT_SECRET is wrong for this host, or no longer valid"
)

log = get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to Amadeus."""

    client_id: str
    client_secret: str
    guest_office_id: str | None = None

    def form(self) -> bytes:
        """The body of a token call (RFC 6749, 4.4.2)."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        if self.guest_office_id:
            fields["guest_office_id"] = self.guest_office_id
        return urlencode(fields).encode()


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and the entry that it came in.

    consecutive_rejections: number of rejected tokens just before this one.
    """

    value: str
    entry: Entry
    consecutive_rejections: int


class TokenProvider:
    """Provides a valid token: from memory, else from the store, else from Amadeus."""

    def __init__(
        self,
        store: Store,
        read_through: ReadThrough,
        call: Callable[[Call, Deadline], Reply],
        base_url: str,
        credentials: Credentials,
    ) -> None:
        """`call`: makes one token call."""
        self._store = store
        self._read_through = read_through
        self._call = call
        self._url = base_url + TOKEN_PATH
        self._credentials = credentials
        # 2 is the format of what is encrypted, so that replicas of two versions share no token.
        account = f"2 {base_url} {credentials.client_id} {credentials.guest_office_id or ''}"
        key, name = _derived(credentials.client_secret, account)
        # The name depends on the secret too: the failures of a wrong one say nothing of another.
        self._key = f"token|{name}"
        self._fernet = Fernet(key)
        self._token: Token | None = None
        # The store may show it a little longer. Until there is a `_token` again, whatever is
        # fetched is in its place.
        self._rejected: Token | None = None
        self._accepted = ""
        self._fetched_here = ""
        self._stopped = threading.Event()

    @property
    def has_token(self) -> bool:
        """Whether a call could be made at once."""
        return self._fresh_token() is not None

    @property
    def token_age(self) -> float | None:
        """Seconds since the token in use was fetched; None without one."""
        token = self._fresh_token()
        return None if token is None else self._store.now() - token.entry.fetched_at

    def token(self, deadline: Deadline) -> Token:
        """A token to make a call with. Raises UpstreamError where there is none."""
        newest = self._store.get(self._key)
        if (
            newest is not None
            and newest.fetched_at > self._rejected_at()
            and newest.is_fresh(self._store.now())
        ):
            self._take(newest)
        token = self._fresh_token()
        if token is not None:
            return token
        deadline = _bounded(deadline)
        request = self._cache_request()
        entry = self._read_through.read_newer(request, self._rejected_at(), deadline).entry
        token = self._take(entry)
        if token is None:
            entry = self._read_through.read_newer(request, entry.fetched_at, deadline).entry
            token = self._take(entry)
        if token is None:
            raise AmadeusBadAnswer("The shared access token cannot be read.")
        return token

    def accepted(self, value: str) -> None:
        """Amadeus took a call with that token; should it be rejected later, not every token is."""
        self._accepted = value

    def replace(self, rejected: str, deadline: Deadline) -> Token:
        """A token in the place of one that Amadeus rejected.

        Raises AmadeusMisconfigured where that one was a replacement itself, not long ago.
        """
        token = self._token
        if token is not None and token.value == rejected:
            fetched_at = token.entry.fetched_at
            pause = _growing_pause(token.consecutive_rejections, REJECTION_WINDOW_SECONDS)
            if token.consecutive_rejections and self._store.now() < fetched_at + pause:
                raise AmadeusMisconfigured("Amadeus rejected two access tokens in a row.")
            self._rejected, self._token = token, None
            metrics.token_taken(0, 0)
            self._store.drop(self._key, fetched_at)
        return self.token(deadline)

    def keep_fresh(self) -> None:
        """Refresh the token ahead of its end, until `stop`; runs in a thread of its own."""
        while not self._stopped.wait(self._seconds_to_refresh()):
            try:
                self._refresh_if_due()
            except Exception:
                log.exception(Event.TOKEN_FAILED)

    def stop(self) -> None:
        """End `keep_fresh`."""
        self._stopped.set()

    def _refresh_if_due(self) -> None:
        try:
            token = self.token(Deadline(FETCH_SECONDS))
        except UpstreamError:
            return  # the fetch said so, and its failure marker tells when to try again
        if self._refresh_due(token) <= self._store.now():
            self._read_through.refresh(self._cache_request(), token.entry)

    def _seconds_to_refresh(self) -> float:
        """At least a second: whoever comes too late to refresh looks again for what came of it."""
        token = self._token
        if token is None:
            return MIN_SLEEP_SECONDS
        due_in = self._refresh_due(token) - self._store.now()
        return min(MAX_SLEEP_SECONDS, max(MIN_SLEEP_SECONDS, due_in))

    @staticmethod
    def _refresh_due(token: Token) -> float:
        return token.entry.fetched_at + token.entry.ttl * REFRESH_FROM

    def _rejected_at(self) -> float:
        """When the last rejected token was fetched, as long as the store could show it as good.

        Where the store's clock went back, all that it has now is older than that moment.
        """
        entry = self._rejected.entry if self._rejected else None
        return entry.fetched_at if entry and entry.is_fresh(self._store.now()) else 0.0

    def _fresh_token(self) -> Token | None:
        token = self._token
        return token if token is not None and token.entry.is_fresh(self._store.now()) else None

    def _take(self, entry: Entry) -> Token | None:
        """Decrypt a token and remember it; drop what cannot be decrypted."""
        known = self._fresh_token()
        if known is not None and known.entry.fetched_at >= entry.fetched_at:
            return known
        try:
            body = orjson.loads(self._fernet.decrypt(entry.body))
        except InvalidToken:
            # A value that is not ours.
            self._store.drop(self._key, entry.fetched_at)
            return None
        token = self._token = Token(body["access_token"], entry, body["repairs"])
        metrics.token_taken(entry.fetched_at, entry.ttl)
        if token.value != self._fetched_here:
            age = round(self._store.now() - entry.fetched_at, 1)
            log.info(Event.TOKEN_SHARED, age=age, ttl=round(entry.ttl))
        return token

    def _cache_request(self) -> CacheRequest:
        return CacheRequest(
            self._key,
            self._fetch,
            observe=lambda _event, _entry: None,
            refresh_from=REFRESH_FROM,
            pause=_growing_pause,
            needs_slot=False,  # those who have their turn wait for it
        )

    def _fetch(self, deadline: Deadline) -> FetchedValue:
        started = time.monotonic()
        call = Call(
            "POST",
            self._url,
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            self._credentials.form(),
        )
        try:
            value, life = token_of(self._call(call, _bounded(deadline)))
        except UpstreamError as error:
            reason, url, hint = error.detail, self._url, _hint(error, self._url)
            metrics.TOKEN_FETCHES.labels("failed").inc()
            log.error(Event.TOKEN_FAILED, code=error.code, reason=reason, url=url, hint=hint)  # noqa: TRY400
            raise
        self._fetched_here = value
        metrics.TOKEN_FETCHES.labels("fetched").inc()
        log.info(
            Event.TOKEN_FETCHED,
            expires_in=round(life),
            duration_ms=round((time.monotonic() - started) * 1000, 1),
        )
        consecutive_rejections, rejected = 0, self._rejected
        if self._token is None and rejected is not None:
            consecutive_rejections = (
                1 if rejected.value == self._accepted else rejected.consecutive_rejections + 1
            )
        body = orjson.dumps({"access_token": value, "repairs": consecutive_rejections})
        return FetchedValue(
            self._fernet.encrypt(body), max(life * USED_LIFE, life - SAFETY_SECONDS)
        )


def _hint(error: UpstreamError, url: str) -> str | None:
    """What whoever runs the service can do about it, where that is known."""
    if isinstance(error, AmadeusMisconfigured):
        return HINT
    if isinstance(error, AmadeusUnreachable):
        return f"this machine cannot reach {urlsplit(url).netloc}: {error.__cause__}"
    return None


def _growing_pause(tries: int, first: float = 1.0) -> float:
    """1 s or so, doubling to 60 s."""
    return min(MAX_PAUSE_SECONDS, first * 2.0 ** min(tries - 1, 10))


def _bounded(deadline: Deadline) -> Deadline:
    """A token call has its own time, so that it never uses up a request's."""
    return Deadline(min(FETCH_SECONDS, deadline.remaining()))


def _derived(secret: str, account: str) -> tuple[bytes, str]:
    """The key that the token is encrypted with, and the name that it is stored under."""
    kdf = HKDF(hashes.SHA256(), length=48, salt=account.encode(), info=b"flight-price-api token")
    derived = kdf.derive(secret.encode())
    return base64.urlsafe_b64encode(derived[:32]), derived[32:].hex()
