"""One access token for all workers: fetched, shared, refreshed and replaced.

The token is a cache entry like a price: the read-through cache shares it, lets one worker fetch
it, and refreshes it early. This module adds the handling of rejected tokens.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.errors import (
    AmadeusBadAnswer,
    AmadeusMisconfigured,
    AmadeusPaused,
    UpstreamError,
)
from api.services.amadeus.replies import Reply, token_of
from api.services.amadeus.token_call import TOKEN_PATH, Credentials, hint_for, token_call
from api.services.amadeus.token_cipher import TokenCipher
from api.services.amadeus.transport import Call
from api.services.cache.entries import Entry
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, FetchedValue
from api.services.cache.store import Store
from api.services.deadline import Deadline
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics

FETCH_SECONDS: Final = 5.0
# A token is used until SAFETY_SECONDS before its end, and for at least USED_LIFE of its life.
# That is its TTL; it is refreshed after the fraction REFRESH_FROM of it.
USED_LIFE: Final = 0.9
SAFETY_SECONDS: Final = 10.0
REFRESH_FROM: Final = 0.8
# If a replacement is rejected within this time too, another token will not help. The time
# doubles with each further rejection.
REJECTION_WINDOW_SECONDS: Final = 10.0
MAX_PAUSE_SECONDS: Final = 60.0
MIN_SLEEP_SECONDS: Final = 1.0
MAX_SLEEP_SECONDS: Final = 30.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class RefreshTimes:
    """When a token is refreshed: after this part of its TTL, and how soon a check may follow."""

    refresh_from: float = REFRESH_FROM
    min_sleep: float = MIN_SLEEP_SECONDS


DEFAULT_REFRESH_TIMES: Final = RefreshTimes()


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its entry in the store.

    consecutive_rejections: number of consecutive rejected tokens before this one.
    """

    value: str
    entry: Entry
    consecutive_rejections: int


class TokenProvider:
    """Provides a valid token, from memory, the store or Amadeus."""

    def __init__(
        self,
        store: Store,
        read_through: ReadThrough,
        call: Callable[[Call, Deadline], Reply],
        base_url: str,
        credentials: Credentials,
        metrics: Metrics,
        refresh_times: RefreshTimes = DEFAULT_REFRESH_TIMES,
    ) -> None:
        """Create the provider. call: makes one token call."""
        self._store = store
        self._read_through = read_through
        self._call = call
        self._url = base_url + TOKEN_PATH
        self._credentials = credentials
        self._metrics = metrics
        self._refresh_times = refresh_times
        account = f"{base_url} {credentials.client_id} {credentials.guest_office_id or ''}"
        self._cipher = TokenCipher(account, credentials.client_secret)
        # The name depends on the secret, so that a new one does not meet failures of a wrong one.
        self._key = f"token|{self._cipher.name}"
        self._token: Token | None = None
        # The store may still return the rejected token for a moment. A token that is fetched
        # while `_token` is None replaces it.
        self._rejected: Token | None = None
        self._last_accepted = ""
        self._last_fetched = ""
        self._stopped = threading.Event()

    @property
    def token_age(self) -> float | None:
        """Seconds since the token in use was fetched; None without a valid token."""
        token = self._fresh_token()
        return None if token is None else self._store.now() - token.entry.fetched_at

    def token(self, deadline: Deadline) -> Token:
        """Return a valid token. Raises UpstreamError if none can be had."""
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
        if token is None:  # the stored value was unreadable
            entry = self._read_through.read_newer(request, entry.fetched_at, deadline).entry
            token = self._take(entry)
        if token is None:
            raise AmadeusBadAnswer("The shared access token cannot be read.")
        return token

    def mark_accepted(self, value: str) -> None:
        """Record that Amadeus accepted a token, so that a later rejection counts as the first."""
        self._last_accepted = value

    def replace(self, rejected: str, deadline: Deadline) -> Token:
        """Return another token than the one that Amadeus rejected.

        Raises AmadeusMisconfigured if the rejected token is itself a recent replacement.
        """
        token = self._token
        if token is not None and token.value == rejected:
            fetched_at = token.entry.fetched_at
            pause = _backoff(token.consecutive_rejections, REJECTION_WINDOW_SECONDS)
            if token.consecutive_rejections and self._store.now() < fetched_at + pause:
                raise AmadeusMisconfigured("Amadeus rejected two access tokens in a row.")
            self._rejected, self._token = token, None
            self._metrics.token_taken(0, 0)
            self._store.drop(self._key, fetched_at)
        return self.token(deadline)

    def keep_fresh(self) -> None:
        """Refresh the token early, until `stop`. Blocks; run it in a thread."""
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
            return  # the fetch logged it, and its failure marker delays the next try
        if self._refresh_due(token) <= self._store.now():
            self._read_through.refresh(self._cache_request(), token.entry)

    def _seconds_to_refresh(self) -> float:
        """Return the time until the next check; never less than `min_sleep`."""
        token = self._token
        if token is None:
            return self._refresh_times.min_sleep
        due_in = self._refresh_due(token) - self._store.now()
        return min(MAX_SLEEP_SECONDS, max(self._refresh_times.min_sleep, due_in))

    def _refresh_due(self, token: Token) -> float:
        return token.entry.fetched_at + token.entry.ttl * self._refresh_times.refresh_from

    def _rejected_at(self) -> float:
        """Return when the last rejected token was fetched; 0.0 once its TTL is over.

        If the store's clock was set back, that time lies in the future; return 0.0 then too.
        """
        entry = self._rejected.entry if self._rejected else None
        return entry.fetched_at if entry and entry.is_fresh(self._store.now()) else 0.0

    def _fresh_token(self) -> Token | None:
        token = self._token
        return token if token is not None and token.entry.is_fresh(self._store.now()) else None

    def _take(self, entry: Entry) -> Token | None:
        """Decrypt a token and remember it; drop what cannot be decrypted."""
        current = self._fresh_token()
        if current is not None and current.entry.fetched_at >= entry.fetched_at:
            return current
        decrypted = self._cipher.decrypt(entry.body)
        if decrypted is None:
            self._store.drop(self._key, entry.fetched_at)
            return None
        value, consecutive_rejections = decrypted
        token = self._token = Token(value, entry, consecutive_rejections)
        self._metrics.token_taken(entry.fetched_at, entry.ttl)
        if token.value != self._last_fetched:
            age = round(self._store.now() - entry.fetched_at, 1)
            log.info(Event.TOKEN_SHARED, age=age, ttl=round(entry.ttl))
        return token

    def _cache_request(self) -> CacheRequest:
        return CacheRequest(
            self._key,
            self._fetch,
            observe=lambda _event, _entry: None,
            pause=_pause,
            needs_slot=False,  # fetches of prices that hold a slot wait for it
        )

    def _fetch(self, deadline: Deadline) -> FetchedValue:
        started = time.monotonic()
        call = token_call(self._url, self._credentials)
        try:
            value, life = token_of(self._call(call, _bounded(deadline)))
        except UpstreamError as error:
            reason, url, hint = error.detail, self._url, hint_for(error, self._url)
            self._metrics.token_fetches.labels("failed").inc()
            log.error(Event.TOKEN_FAILED, code=error.code, reason=reason, url=url, hint=hint)  # noqa: TRY400
            raise
        self._last_fetched = value
        self._metrics.token_fetches.labels("fetched").inc()
        log.info(
            Event.TOKEN_FETCHED,
            expires_in=round(life),
            duration_ms=round((time.monotonic() - started) * 1000, 1),
        )
        consecutive_rejections, rejected = 0, self._rejected
        if self._token is None and rejected is not None:
            consecutive_rejections = (
                1 if rejected.value == self._last_accepted else rejected.consecutive_rejections + 1
            )
        body = self._cipher.encrypt(value, consecutive_rejections)
        return FetchedValue(body, max(life * USED_LIFE, life - SAFETY_SECONDS))


def _pause(tries: int, error: UpstreamError) -> float:
    """Return the pause before the next token call: a growing one, or that which Amadeus names."""
    named = error.retry_after if isinstance(error, AmadeusPaused) else None
    return max(_backoff(tries), named or 0.0)


def _backoff(tries: int, first: float = 1.0) -> float:
    """Return the pause after `tries` failures: it doubles, up to MAX_PAUSE_SECONDS."""
    return min(MAX_PAUSE_SECONDS, first * 2.0 ** min(tries - 1, 10))


def _bounded(deadline: Deadline) -> Deadline:
    """Limit a deadline to FETCH_SECONDS, so that the token leaves a request time to search."""
    return Deadline(min(FETCH_SECONDS, deadline.remaining()))
