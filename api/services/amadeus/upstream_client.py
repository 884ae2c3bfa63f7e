"""Calls to Amadeus with pacing, deadline, circuit breaker and one retry."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from random import SystemRandom
from typing import Final

import msgspec

from api.errors import (
    AmadeusMisconfigured,
    AmadeusPaused,
    AmadeusQuota,
    AmadeusTimeout,
    UpstreamError,
)
from api.services.amadeus.circuit_breaker import CircuitBreaker, ProbeUnderWay, UpstreamHealth
from api.services.amadeus.pacing import Pacing
from api.services.amadeus.replies import Reply
from api.services.amadeus.transport import Call, Transport
from api.services.cache.requests import FetchPostponed
from api.services.deadline import Deadline, Terms
from api.services.fares import cheapest_offers
from api.telemetry.events import Event
from api.telemetry.logs import current_request_id, get_logger
from api.telemetry.metrics import Metrics
from api.telemetry.tracing import inject, span

RETRY_JITTER_SECONDS: Final = (0.1, 0.4)
# With less time left, a retry would end in a timeout.
MIN_RETRY_SECONDS: Final = 1.0
# How often a patient search looks whether the probe of the circuit breaker has ended.
PROBE_POLL_SECONDS: Final = 0.1

log = get_logger()


class UpstreamClient:
    """Makes calls to Amadeus.

    The methods return successful replies, and error replies that a retry would not change. They
    raise AmadeusTimeout, AmadeusUnavailable, AmadeusBadAnswer and AmadeusQuota. The reply to a
    search has only the cheapest offer of each currency.
    """

    def __init__(
        self,
        transport: Transport,
        pacing: Pacing,
        breaker: CircuitBreaker,
        timeout: float,
        metrics: Metrics,
        *,
        retries: bool = True,
    ) -> None:
        """Create the client.

        timeout: seconds that one attempt may take. retries: whether a search that failed is sent
        again.
        """
        self._transport = transport
        self._pacing = pacing
        self._breaker = breaker
        self._timeout = timeout
        self._retries = retries
        self._metrics = metrics
        self._session = str(uuid.uuid4())

    @property
    def interval(self) -> float | None:
        """Seconds from one turn to the next; None if no rate limit is set."""
        return self._pacing.interval

    def room_in(self, deadline: Deadline) -> float:
        """Return the seconds until a patient search with this deadline may take a turn.

        Raises the UpstreamError that the search would end with at once.
        """
        try:
            self._breaker.check()
        except ProbeUnderWay:
            return PROBE_POLL_SECONDS
        return self._pacing.room_in(deadline, self._timeout)

    def search(self, call: Call, terms: Terms) -> Reply:
        """Make a search call. Retry once after an error that may pass, unless retries are off.

        Raises FetchPostponed too if the search is patient.
        """
        try:
            return self._admitted(call, terms, self._admit(terms))
        except UpstreamError as error:
            if not self._retries:
                raise
            pause = (error.retry_after or 0.0) + SystemRandom().uniform(*RETRY_JITTER_SECONDS)
            if not error.may_pass or terms.deadline.remaining() < pause + MIN_RETRY_SECONDS:
                raise
            if terms.patience is not None and self.room_in(terms.deadline):
                raise
            first_error = error
        time.sleep(pause)
        try:
            admitted = self._admit(terms)
        except FetchPostponed:  # others took the room during the pause
            raise first_error from None
        self._metrics.retries.inc()
        log.warning(Event.AMADEUS_RETRY, reason=first_error.detail, pause_ms=round(pause * 1000))
        return self._admitted(call, terms, admitted)

    def fetch_token(self, call: Call, deadline: Deadline) -> Reply:
        """Make a token call, without a retry: the token provider decides when to try again.

        It does not wait for a turn: all searches in the queue may need the token.
        """
        return self._attempt("token", call, deadline, _with_result)

    def _admit(self, terms: Terms) -> int:
        """Wait for a turn, and return what the circuit breaker needs for its report."""
        try:
            self._breaker.check()
            self._pacing.await_turn(terms, self._timeout)
            if not terms.deadline.remaining():
                raise AmadeusTimeout("The request ran out of time before Amadeus was called.")
            return self._breaker.admit()
        except AmadeusQuota:
            self._breaker.record(UpstreamHealth.QUOTA)
            raise
        except ProbeUnderWay:
            if terms.patience is None:
                raise
            raise FetchPostponed from None

    def _admitted(self, call: Call, terms: Terms, admitted: int) -> Reply:
        """Make a call that has its turn, and report its outcome to the circuit breaker."""
        health = UpstreamHealth.FAILING
        if terms.patience is not None:
            terms.patience.called()
        try:
            reply = self._attempt("search", call, terms.deadline, _with_cheapest_offers)
            health = _health_of(reply)
        except AmadeusQuota:
            health = UpstreamHealth.QUOTA
            raise
        except AmadeusPaused:
            health = UpstreamHealth.OK  # it answers, and an open circuit would outlast the pause
            raise
        finally:
            self._breaker.report(health, admitted)
        return reply

    def _attempt(
        self, kind: str, call: Call, deadline: Deadline, accept: Callable[[Reply], Reply]
    ) -> Reply:
        """Make one call.

        accept: takes a successful reply and returns what to pass on. Raises AmadeusBadAnswer.
        """
        seconds = min(self._timeout, deadline.remaining())
        started = time.monotonic()
        status = None
        try:
            with span(f"amadeus {kind}", is_call=True) as spanned:
                reply = self._transport.send(self._traceable(call), seconds)
                status = reply.status
                spanned.set_attribute("http.response.status_code", status)
            if reply.error_reply is None:
                reply = accept(reply)
        except UpstreamError as error:
            self._metrics.called(kind, error.code, time.monotonic() - started)
            reason = f"{error.code}: {error.__cause__ or error.detail}"
            _log(log.warning, started, status, error=reason)
            raise
        self._metrics.called(kind, reply.status, time.monotonic() - started)
        if reply.error_reply is None:
            _log(log.info, started, reply.status)
        else:
            rejection = reply.error_reply.error()
            write = log.info if reply.error_reply.is_answer else log.warning
            fields: dict[str, object] = {"code": reply.error_reply.code}
            is_pause = isinstance(rejection, AmadeusQuota | AmadeusPaused)
            if is_pause:
                fields["retry_after"] = rejection.retry_after
                self._pacing.pause(rejection)
            _log(write, started, reply.status, **fields)
            if is_pause or rejection.may_pass:
                raise rejection
        return reply

    def _traceable(self, call: Call) -> Call:
        """Add the headers of tracing and Amadeus (docs/amadeus.md, section "Availability")."""
        request_id = current_request_id.get() or uuid.uuid4()
        reference = f"{self._session}:{request_id}"
        headers = {**call.headers, "Ama-Client-Ref": reference}
        inject(headers)
        return replace(call, headers=headers)


def _with_result(reply: Reply) -> Reply:
    reply.result()
    return reply


def _with_cheapest_offers(reply: Reply) -> Reply:
    """Return the reply with only the cheapest offer of each currency.

    So the SDK, whose parser is slower, and the choice after it read one offer instead of fifty.
    """
    result = reply.search_result()
    result.data = [offer for _, offer in cheapest_offers(result.data).values()]
    return replace(reply, body=msgspec.json.encode(result))


def _health_of(reply: Reply) -> UpstreamHealth:
    is_misconfigured = reply.error_reply and isinstance(
        reply.error_reply.error(), AmadeusMisconfigured
    )
    return UpstreamHealth.MISCONFIGURED if is_misconfigured else UpstreamHealth.OK


def _log(write: Callable[..., None], started: float, status: int | None, **fields: object) -> None:
    duration_ms = round((time.monotonic() - started) * 1000, 1)
    write(Event.AMADEUS_CALL, status=status, duration_ms=duration_ms, **fields)
